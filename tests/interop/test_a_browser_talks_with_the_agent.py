"""Stock Chromium on the demo page asks by voice, is answered by voice, interrupts, and is answered again."""

import asyncio
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.interop.browser import missing_part, running_browser
from tests.interop.recording import AUDIBLE, SAMPLE_RATE, Recording, Samples
from tests.support.agent_models import need_models
from tests.support.fabric import running_fabric

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(180)]

MICROPHONE_HZ = 16_000
LEAD_S, ANSWER_S, BEFORE_INTERRUPTION_S, END_S = 2.5, 6.0, 4.0, 8.0
JITTER_BUFFER_S = 0.6
"""What the browser holds back of what it has received, at most: it plays on after the fabric has fallen silent."""


def microphone(path: Path, *script: bytes | float) -> float:
    """Writes speech (PCM) and silences (seconds) to a WAV; its length in seconds."""
    parts = [each if isinstance(each, bytes) else bytes(2 * int(each * MICROPHONE_HZ)) for each in script]
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(MICROPHONE_HZ)
        recording.writeframes(b"".join(parts))
    return sum(map(len, parts)) / 2 / MICROPHONE_HZ


def questions(local: Samples) -> list[tuple[float, float]]:
    """Begin and end of each stretch of speech, in seconds; pauses within a sentence are part of it."""
    loud = np.flatnonzero(np.abs(local) > AUDIBLE) / SAMPLE_RATE
    edges = np.flatnonzero(np.diff(loud) > 1.5)
    begins = [loud[0], *loud[edges + 1]]
    ends = [*loud[edges], loud[-1]]
    return list(zip(map(float, begins), map(float, ends), strict=True))


def part(signal: Samples, begin_s: float, end_s: float) -> Samples:
    """A stretch of a signal."""
    return signal[int(begin_s * SAMPLE_RATE) : int(end_s * SAMPLE_RATE)]


async def test_chromium_talks_with_the_agent(
    tmp_path: Path, require: Callable[[str | None], None], show: Callable[[str], None]
) -> None:
    require(missing_part("chromium"))
    need_models()
    # Not above: they need the models.
    from tests.support.agent_scene import recogniser, resample, spoken  # noqa: PLC0415 - see the line above

    def understood(signal: Samples) -> str:
        return recogniser().transcribe(resample(signal.astype(np.float32), SAMPLE_RATE, MICROPHONE_HZ)).lower()

    times, story, again = map(
        spoken, ("What is twelve times seven?", "Tell me a story.", "What is thirteen times six?")
    )
    said = tmp_path / "questions.wav"
    length_s = microphone(said, LEAD_S, times, ANSWER_S, story, BEFORE_INTERRUPTION_S, again, END_S)
    fabric_options = ("--relays", "1", "--transceivers", "1", "--workers", "1", "--worker", "agent")
    with running_fabric(*fabric_options) as fabric:
        async with running_browser("chromium", said) as browser:
            call = await browser.place_call(fabric.http, fabric.api_key, model="agent")
            status = await call.status()
            assert status.state == "connected", status
            async with call.recording() as recording:
                await asyncio.sleep(length_s - LEAD_S / 2)
            await call.hang_up()
    check(recording, understood, show)


def check(recording: Recording, understood: Callable[[Samples], str], show: Callable[[str], None]) -> None:
    """What the ear heard between, during and after the questions."""
    (_, asked), (story_begins, story_asked), (interrupts, last_asked), *_ = questions(recording.local)
    first = part(recording.remote, asked, story_begins)
    waited_s = float(np.flatnonzero(np.abs(first) > AUDIBLE)[0]) / SAMPLE_RATE
    answer = understood(first)
    assert "84" in answer or "eighty four" in answer.replace("-", " "), answer
    story = part(recording.remote, story_asked, interrupts)
    assert np.mean(np.abs(story) > AUDIBLE) > 0.1, "no story was told"
    during = part(recording.remote, interrupts, last_asked)
    audible = np.flatnonzero(np.abs(during) > AUDIBLE)
    silent_after_s = float(audible[-1]) / SAMPLE_RATE if len(audible) else 0.0
    last = understood(part(recording.remote, last_asked, recording.duration_s))
    show(
        f"chromium: question to sound {waited_s * 1000:.0f} ms, interruption to silence at the ear "
        f"{silent_after_s * 1000:.0f} ms; heard: {answer!r}, then {last!r}"
    )
    assert silent_after_s < last_asked - interrupts, "the story went on while the caller spoke"
    assert silent_after_s < JITTER_BUFFER_S + 0.6
    assert "78" in last or "seventy eight" in last.replace("-", " "), last
