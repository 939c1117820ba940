"""The pure parts of the ear: words never taken back, and where nobody speaks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from offhook_worker.agent.hearing import Samples
from offhook_worker.agent.moonshine import read_tokens
from offhook_worker.agent.partials import StableWords
from offhook_worker.agent.pauses import PauseDetector, loudness_db, quietest, without_silence
from offhook_worker.agent.voice import time_words

RATE = 16_000


def tone(seconds: float, level: float) -> Samples:
    samples: Samples = (level * np.sin(np.arange(round(seconds * RATE)) * 0.3)).astype(np.float32)
    return samples


def test_words_are_told_once_two_transcripts_agree_on_them() -> None:
    words = StableWords()
    assert words.update("What is the") == ""
    assert words.update("What is the wet") == "What is the"
    assert words.update("What is the weather in") == ""
    assert words.update("What is the weather in Paris") == " weather in"
    assert words.finish("What is the weather in Paris?") == " Paris?"


def test_a_final_transcript_that_differs_takes_nothing_back() -> None:
    words = StableWords()
    words.update("I see")
    assert words.update("I see a") == "I see"
    assert words.finish("Icy.") == ""


@given(transcripts=st.lists(st.lists(st.sampled_from(["a", "b", "c"]), max_size=6).map(" ".join), max_size=8))
def test_deltas_are_always_words_of_one_growing_text(transcripts: list[str]) -> None:
    words = StableWords()
    told = "".join(words.update(transcript) for transcript in transcripts)
    assert told == " ".join(told.split())


def test_a_pause_is_what_is_much_quieter_than_the_speech_before() -> None:
    pauses = PauseDetector()
    for number in range(50):
        loud = number < 20 or 30 <= number < 40
        pauses.hear(tone(0.02, 0.3 if loud else 0.004), number * 20_000, 20_000)
        if number == 25:
            assert pauses.quiet_since_us == 400_000
    assert pauses.voiced_until_us == 800_000
    assert pauses.quiet_since_us == 800_000


def test_silence_around_speech_is_cut_and_all_silence_is_nothing() -> None:
    speech = np.concatenate([np.zeros(RATE, np.float32), tone(1.0, 0.3), np.zeros(RATE, np.float32)])
    kept = without_silence(speech, RATE)
    assert 1.2 * RATE <= len(kept) <= 1.4 * RATE
    assert len(without_silence(np.zeros(RATE, np.float32), RATE)) == 0
    assert len(without_silence(np.zeros(0, np.float32), RATE)) == 0
    assert loudness_db(np.zeros(10, np.float32)) == -120


def test_a_long_speech_is_cut_where_it_is_quietest() -> None:
    speech = np.concatenate([tone(6.0, 0.3), tone(0.3, 0.001), tone(6.0, 0.3)])
    cut = quietest(speech, RATE, earliest_s=5.0, latest_s=12.0)
    assert 6.0 * RATE <= cut <= 6.3 * RATE


def test_a_sentences_words_share_its_time() -> None:
    words = time_words(" Two words.", 1.0)
    assert [(word.text, word.start_us) for word in words] == [(" Two", 0), (" words.", 363_636)]
    assert "".join(word.text for word in time_words("One, two", 2.0)) == "One, two"
    assert time_words("", 0.0) == ()


@given(content=st.binary(max_size=400))
def test_any_vocabulary_is_read_or_refused(content: bytes) -> None:
    try:
        tokens = list(read_tokens(content))
    except ValueError:
        return
    assert sum(map(len, tokens)) <= len(content)


def test_a_vocabulary_has_short_and_long_tokens() -> None:
    assert list(read_tokens(b"\x01a\x00" + bytes([128 + 72, 1]) + b"x" * 200)) == [b"a", b"", b"x" * 200]
    with pytest.raises(ValueError, match="within"):
        list(read_tokens(b"\x05abc"))
