"""A server that is down, slow, busy, wrong or breaks off: the caller gets a clear error, and the call goes on."""

import logging
import socket
from pathlib import Path

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.bridge_scene import NOISE, TEXT_ONLY, TRANSCRIBED, bridged, remote
from tests.support.openai_server import KEY, ChatReply, OpenAiServer, Refusal, event, openai_server
from tests.support.turn_caller import Answered
from tests.support.worker_scene import until

FAILED = pb.ResponseDone.STATUS_FAILED
PIECE = event({"choices": [{"index": 0, "delta": {"content": "Half"}}]})


async def ask(server: OpenAiServer, reply: ChatReply | Refusal, **chat: object) -> tuple[Answered, Answered]:
    """The answer to a question that the server answers with `reply`, and that to the next one."""
    server.replies.append(reply)
    async with bridged(remote(server.url, **chat), TEXT_ONLY) as caller:
        return await caller.ask("Hi"), await caller.ask("Still there?")


def code(answered: Answered) -> str:
    assert answered.done.status == FAILED
    assert answered.done.error.family == pb.SessionError.FAMILY_WORKER
    assert answered.done.error.message.startswith("The language model server")
    return answered.done.error.code


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Refusal(404), "upstream_refused"),
        (Refusal(400, '{"error": {"message": "context too long"}}'), "upstream_refused"),
        (Refusal(401), "upstream_refused"),
        (Refusal(500, "<html>"), "upstream_failed"),
        (Refusal(307, headers={"Location": "http://127.0.0.1:1/"}), "upstream_refused"),
        (Refusal(429, headers={"Retry-After": "30"}), "upstream_busy"),
        (Refusal(503, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), "upstream_busy"),
        (ChatReply(raw=[PIECE, b"data: {]\n\n"]), "upstream_broken"),
        (ChatReply(raw=[b"<html>no stream</html>"]), "upstream_broken"),
        (ChatReply(raw=[PIECE, b"data: " + b"x" * 2_000_000]), "upstream_broken"),
        (ChatReply(raw=[PIECE, event({"error": {"message": "CUDA out of memory"}})]), "upstream_failed"),
        (ChatReply(raw=[PIECE]), "upstream_broken"),
        (ChatReply(cut_after=2), "upstream_broken"),
        (ChatReply(cut_after=0), "upstream_broken"),
    ],
)
async def test_a_fault_has_a_code_and_the_next_turn_is_answered(reply: ChatReply | Refusal, expected: str) -> None:
    async with openai_server() as server:
        first, second = await ask(server, reply)
    assert code(first) == expected
    assert second.text == "Hello. How are you?"


async def test_what_was_said_before_a_cut_stands() -> None:
    async with openai_server() as server:
        first, _ = await ask(server, ChatReply(("One sentence. ", "And a half", "."), cut_after=3))
        assert first.text == "One sentence."
        assert server.chat()["messages"][1] == {"role": "assistant", "content": "One sentence."}


async def test_a_server_that_is_down_and_comes_back() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with bridged(remote(f"http://127.0.0.1:{port}/v1", model="m"), TEXT_ONLY) as caller:
        assert code(await caller.ask("Hi")) == "upstream_unreachable"
        async with openai_server(port):
            assert (await caller.ask("Hi")).text == "Hello. How are you?"


async def test_a_silent_server_is_given_up() -> None:
    async with openai_server() as server:
        first, second = await ask(server, ChatReply(hold_after=1), silence_timeout_s=0.3)
        await until(lambda: server.gone == 1)
    assert code(first) == "upstream_timeout"
    assert second.text == "Hello. How are you?"


async def test_a_busy_server_is_asked_once_more_if_that_is_soon() -> None:
    async with openai_server() as server:
        server.replies.append(Refusal(503, headers={"Retry-After": "0"}))
        first, _ = await ask(server, Refusal(429, headers={"Retry-After": "0"}))
        assert code(first) == "upstream_busy"
        assert len(server.chats) == 3
        server.chats.clear()
        first, _ = await ask(server, Refusal(429, headers={"Retry-After": "0"}))
        assert first.text == "Hello. How are you?"
        assert len(server.chats) == 3


async def test_a_voice_that_fails_fails_the_answer() -> None:
    async with openai_server() as server, bridged(remote(server.url)) as caller:
        server.speech_refusals.append(Refusal(500))
        failed = await caller.ask("Hi")
        assert failed.done.error.code == "upstream_failed"
        assert failed.done.error.message == "The speech server failed."
        assert (await caller.ask("Hi")).transcript == "Hello. How are you?"


async def test_a_turn_that_cannot_be_written_down_says_why() -> None:
    async with openai_server() as server, bridged(remote(server.url), TRANSCRIBED) as caller:
        server.transcripts.extend([Refusal(500)] * 9)
        item_id = await caller.say(NOISE)
        await until(lambda: caller.transcription(item_id) is not None)
        transcription = caller.transcription(item_id)
    assert transcription is not None
    assert transcription.error.message == "The recognition server failed."


async def test_a_key_goes_to_its_server_and_into_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TEST_KEY", KEY)
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    for where in ({"api_key_env": "TEST_KEY"}, {"api_key_file": file}):
        async with openai_server() as server:
            await ask(server, Refusal(401, f'{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}'), **where)
            chat_keys = [key for key in server.keys if key is not None]
            assert chat_keys == [f"Bearer {KEY}"] * len(server.keys)
    assert KEY not in caplog.text
    assert "upstream_refused" in caplog.text


async def test_a_key_file_is_read_again_when_the_key_was_changed(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first")
    async with openai_server() as server, bridged(remote(server.url, api_key_file=file), TEXT_ONLY) as caller:
        await caller.ask("Hi")
        file.write_text("second")
        await caller.ask("Hi")
        assert server.keys[-1] == "Bearer second"
        file.unlink()
        assert code(await caller.ask("Hi")) == "upstream_refused"
