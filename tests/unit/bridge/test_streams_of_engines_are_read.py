"""Server-sent events and chat chunks, as engines write them and as nobody should."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offhook_worker.agent.brain.interface import Thought, TokensUsed, ToolCall, Unfinished
from offhook_worker.bridge.chat_reader import BadChunk, ChatReader, EngineError
from offhook_worker.bridge.event_stream import MAX_EVENT_BYTES, EventStream, EventTooLong
from offhook_worker.bridge.transcription import TranscriptReader
from offhook_worker.outputs import Status


def chunk(**delta: object) -> str:
    return json.dumps({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]})


def ended(reason: str) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


def read(*events: str) -> list[Thought]:
    reader = ChatReader()

    def thoughts() -> Iterator[Thought]:
        for data in events:
            yield from reader.read(data)
        yield from reader.finish()

    return list(thoughts())


@given(st.lists(st.text(max_size=20), max_size=5), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
def test_events_are_the_same_however_the_network_cuts_them(texts: list[str], end: bytes, data: st.DataObject) -> None:
    texts = [json.dumps(text) for text in texts]
    stream = b"".join(b": hi" + end + b"data: " + text.encode() + end + end for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = EventStream()
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    read_ = [event for piece in pieces for event in reader.feed(piece)]
    assert read_ + list(reader.finish()) == texts


@given(st.binary(max_size=300))
def test_any_bytes_are_events_or_nothing(received: bytes) -> None:
    reader = EventStream()
    list(reader.feed(received))
    list(reader.finish())


def test_an_event_without_end_is_refused() -> None:
    reader = EventStream()
    part = b"data: " + b"x" * (MAX_EVENT_BYTES // 4) + b"\n"
    list(reader.feed(part * 3))
    with pytest.raises(EventTooLong):
        list(reader.feed(part * 2))
    with pytest.raises(EventTooLong):
        list(EventStream().feed(b"x" * (MAX_EVENT_BYTES + 1)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "content", "tool_calls", "index", "function", "name", "arguments", "usage"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON.map(json.dumps) | st.text(max_size=50))
def test_any_event_is_a_chunk_or_a_bad_one(data: str) -> None:
    reader = ChatReader()
    with suppress(BadChunk):
        list(reader.read(data))
        list(reader.finish())


@given(JSON.map(json.dumps) | st.text(max_size=50))
def test_any_event_is_a_piece_of_a_transcript_or_an_error(data: str) -> None:
    with suppress(ValueError):
        TranscriptReader().read(data)


def test_text_comes_as_it_is_generated_and_usage_at_the_end() -> None:
    usage = {"prompt_tokens": 48, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 40}}
    last = json.dumps({"choices": [], "usage": usage})
    thoughts = read(
        chunk(role="assistant", content=None), chunk(content="Hel"), chunk(content="lo."), ended("stop"), last
    )
    assert thoughts == ["Hel", "lo.", TokensUsed(48, 40, 12)]


def test_a_function_call_in_pieces_is_one_call() -> None:
    def piece(**function: str) -> str:
        return chunk(tool_calls=[{"index": 0, "function": function}])

    thoughts = read(
        chunk(content="Let me look. "),
        piece(name="weather", arguments=""),
        piece(arguments='{"city":'),
        piece(arguments=' "Rome"}'),
        ended("tool_calls"),
        "[DONE]",
    )
    assert thoughts == ["Let me look. ", ToolCall("weather", '{"city": "Rome"}')]


def test_whole_function_calls_without_an_index_are_several_calls() -> None:
    calls = [{"function": {"name": name, "arguments": {"n": 1}}} for name in ("a", "b")]
    assert read(chunk(tool_calls=calls), ended("tool_calls")) == [ToolCall("a", '{"n": 1}'), ToolCall("b", '{"n": 1}')]


@pytest.mark.parametrize(
    ("reason", "status"),
    [("length", Status.INCOMPLETE_MAX_TOKENS), ("content_filter", Status.INCOMPLETE_CONTENT_FILTER)],
)
def test_an_answer_that_was_cut_short_says_so(reason: str, status: Status) -> None:
    assert read(chunk(content="One"), ended(reason)) == ["One", Unfinished(status)]


@pytest.mark.parametrize(
    "pieces", [["<think>no one ", "hears</think>\n\n", "Four."], ["<thi", "nk>x</thi", "nk>Four", "."]]
)
def test_thoughts_between_tags_are_not_said(pieces: list[str]) -> None:
    assert (
        "".join(each for each in read(*(chunk(content=piece) for piece in pieces)) if isinstance(each, str)) == "Four."
    )


@pytest.mark.parametrize("text", ["<b>bold</b>", "< 5", " <thinner>", "<think>never ends"])
def test_what_is_no_thought_is_said(text: str) -> None:
    said = "".join(each for each in read(*(chunk(content=letter) for letter in text)) if isinstance(each, str))
    assert said == ("" if text.startswith("<think>") else text)


def test_reasoning_in_a_field_of_its_own_is_not_said() -> None:
    assert read(chunk(reasoning_content="hm"), chunk(reasoning="hm", content="Yes.")) == ["Yes."]


def test_an_error_within_a_stream_is_the_engines() -> None:
    with pytest.raises(EngineError):
        read(json.dumps({"error": {"message": "out of memory", "code": 500}}))


def test_transcripts_stream_as_openai_and_vllm_write_them() -> None:
    openai, vllm = TranscriptReader(), TranscriptReader()
    openai.read('{"type": "transcript.text.delta", "delta": "What "}')
    openai.read('{"type": "transcript.text.done", "text": "What time?"}')
    vllm.read('{"object": "transcription.chunk", "choices": [{"delta": {"content": "What "}, "finish_reason": null}]}')
    vllm.read(
        '{"object": "transcription.chunk", "choices": [{"delta": {"content": "time?"}, "finish_reason": "stop"}]}'
    )
    assert (openai.text, openai.is_complete) == (vllm.text, vllm.is_complete) == ("What time?", True)
