"""`GET /v1/realtime`: what a client on a WebSocket may send, must send and gets, from a whole transceiver."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType

from tests.support.http_scene import KEY
from tests.support.socket_scene import BY_HAND, MODEL, SocketClient, connected, parrot_house
from tests.support.whole_transceiver import WholeTransceiver, config, whole_transceiver
from tests.support.worker_scene import worker_process

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

from tests.support.speech import decode, frames_of_speech, likeness, speech


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WholeTransceiver]:
    async with parrot_house(tmp_path) as transceiver:
        yield transceiver


async def refusal(house: WholeTransceiver, query: str, headers: dict[str, str], *protocols: str) -> tuple[int, str]:
    """Status and code of the error that a client gets instead of a WebSocket."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    if protocols:
        upgrade["Sec-WebSocket-Protocol"] = ", ".join(protocols)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{house.http}/v1/realtime?{query}", headers=upgrade | headers) as answer,
    ):
        return answer.status, (await answer.json())["error"]["code"]


async def test_a_text_turn(house: WholeTransceiver) -> None:
    async with connected(house) as client:
        assert client.socket.protocol is None
        created = await client.event("session.created")
        assert client.events == [created]
        assert created["session"]["model"] == MODEL
        content = [{"type": "input_text", "text": "Polly"}]
        await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        await client.send("response.create")
        done = (await client.event("response.done"))["response"]
        assert done["status"] == "completed"
        assert done["output"][0]["content"][0]["text"] == "Polly"


@pytest.mark.parametrize(("kind", "codec"), [("pcm", "PCM24"), ("pcmu", "PCMU"), ("pcma", "PCMA")])
@pytest.mark.realtime("GET /v1/realtime?model=", "input_audio_buffer.append", "response.output_audio.delta")
async def test_speech_goes_to_the_model_and_comes_back_in_the_clients_format(
    house: WholeTransceiver, kind: str, codec: str, show: Callable[[str], None]
) -> None:
    audio_format = {"type": f"audio/{kind}"}
    frame_bytes = len(frames_of_speech(codec)[0])
    sent = b"".join(frames_of_speech(codec)[:150])
    async with connected(house) as client:
        audio = {"input": {"turn_detection": None, "format": audio_format}, "output": {"format": audio_format}}
        await client.configure(audio=audio)
        # Three seconds at once, cut where no frame ends.
        for begin in range(0, len(sent), 7_002):
            await client.append(sent[begin : begin + 7_002])
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        assert (await client.event("response.done"))["response"]["status"] == "completed"
        heard = client.audio()
        assert abs(len(heard) - len(sent)) <= 2 * frame_bytes
        frames = [heard[begin : begin + frame_bytes] for begin in range(0, len(heard), frame_bytes)]
        alike = likeness(decode(codec, frames), speech(), longest_lag_ms=60)
        show(f"{codec}: likeness {alike:.3f}")
        assert alike > 0.95


async def test_audio_may_come_much_faster_than_it_is_spoken(house: WholeTransceiver) -> None:
    async with connected(house) as client:
        await client.configure(**BY_HAND)
        for _ in range(6):
            await client.append(bytes(48_000 * 5))
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        await client.event("response.done")
        assert len(client.audio()) == 30 * 48_000


async def test_realtime_is_echoed_where_it_is_offered(house: WholeTransceiver) -> None:
    async with connected(house, protocols=("realtime",)) as client:
        assert client.socket.protocol == "realtime"
        await client.event("session.created")


async def test_a_browser_brings_its_key_in_a_sub_protocol(house: WholeTransceiver) -> None:
    offered = ("realtime", f"openai-insecure-api-key.{KEY}", "openai-agents-sdk.0.20.0")
    async with connected(house, protocols=offered, headers={}) as client:
        assert client.socket.protocol == "realtime"
        await client.event("session.created")


async def test_an_unknown_event_is_refused_and_the_connection_stays(house: WholeTransceiver) -> None:
    async with connected(house) as client:
        await client.send("nonsense", event_id="mine")
        assert (await client.event("error"))["error"]["event_id"] == "mine"
        await client.socket.send_str("{")
        assert (await client.event("error"))["error"]["code"] == "invalid_json"
        await client.configure(instructions="Be brief.")


@pytest.mark.realtime("GET /v1/realtime?intent=transcription", "transcription sessions")
async def test_a_transcription_session(house: WholeTransceiver) -> None:
    async with connected(house, f"intent=transcription&model={MODEL}") as client:
        assert (await client.event("session.created"))["session"]["type"] == "transcription"


@pytest.mark.parametrize(
    ("query", "headers", "protocols", "expected"),
    [
        (f"model={MODEL}", {}, (), (401, "missing_api_key")),
        (f"model={MODEL}&api_key={KEY}", {}, (), (401, "key_in_query_string")),
        (f"model={MODEL}", {"Authorization": "Bearer sk-wrong"}, (), (401, "invalid_api_key")),
        (f"model={MODEL}", {}, ("realtime", "openai-insecure-api-key.wrong"), (401, "invalid_api_key")),
        ("model=unheard-of", {"Authorization": f"Bearer {KEY}"}, (), (404, "model_not_found")),
        ("model=loopback", {"Authorization": f"Bearer {KEY}"}, (), (404, "model_not_found")),
        ("intent=dictation", {"Authorization": f"Bearer {KEY}"}, (), (400, "invalid_value")),
        ("call_id=rtc_1", {"Authorization": f"Bearer {KEY}"}, (), (404, "call_id_not_found")),
    ],
)
async def test_what_is_wrong_is_an_http_error(
    house: WholeTransceiver,
    query: str,
    headers: dict[str, str],
    protocols: tuple[str, ...],
    expected: tuple[int, str],
) -> None:
    assert await refusal(house, query, headers, *protocols) == expected


async def test_a_plain_request_is_told_to_upgrade(house: WholeTransceiver) -> None:
    async with (
        aiohttp.ClientSession(headers=house.headers) as session,
        session.get(f"{house.http}/v1/realtime?model={MODEL}") as answer,
    ):
        assert answer.status == 426
        assert (await answer.json())["error"]["code"] == "upgrade_required"


async def test_places_are_bounded_and_given_back(tmp_path: Path) -> None:
    async with parrot_house(tmp_path, max_sessions=1) as house:
        async with connected(house) as client:
            await client.event("session.created")
            assert await refusal(house, f"model={MODEL}", house.headers) == (503, "no_capacity")
        async with asyncio.timeout(10):
            while await refused_for_now(house):
                await asyncio.sleep(0.02)


async def refused_for_now(house: WholeTransceiver) -> bool:
    """Whether there is no place."""
    try:
        async with connected(house) as client:
            await client.event("session.created")
    except aiohttp.WSServerHandshakeError:
        return True
    return False


async def test_a_frame_of_binary_ends_the_connection(house: WholeTransceiver) -> None:
    async with connected(house) as client:
        await client.socket.send_bytes(b"{}")
        await ended(client.socket)
        assert client.socket.close_code == 1003


async def test_a_frame_beyond_the_limit_ends_the_connection(house: WholeTransceiver) -> None:
    async with connected(house) as client:
        await client.event("session.created")
        # The end may come while this is still being sent.
        with contextlib.suppress(ConnectionError):
            await client.socket.send_str(json.dumps({"type": "x", "x": "x" * 22 * 1024 * 1024}))
        await ended(client.socket)
        assert client.socket.closed


async def test_a_client_that_does_not_read_is_cut_off_and_others_are_unharmed(house: WholeTransceiver) -> None:
    async with connected(house) as other, connected(house) as deaf:
        await other.event("session.created")
        with pytest.raises(ConnectionError):
            await flood(deaf, items=10_000)
        await other.configure(instructions="Be brief.")


async def test_a_client_that_reads_too_late_is_told_why_it_was_cut_off(house: WholeTransceiver) -> None:
    async with connected(house, max_msg_size=0) as late:
        await flood(late, items=60)
        async with asyncio.timeout(10):
            async for _ in late.socket:
                pass
        assert late.socket.close_code == 1008


async def flood(client: SocketClient, *, items: int) -> None:
    """Sends without reading. Each is answered twice with as much: of sixty that is far more than what may be queued."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 200_000}]}
    for _ in range(items):
        await client.send("conversation.item.create", item=item)
        await asyncio.sleep(0.005)


async def test_a_process_that_stops_says_why(tmp_path: Path) -> None:
    async with parrot_house(tmp_path, drain_s=0.0) as house, connected(house) as client:
        await client.event("session.created")
        house.stop.set()
        assert (await client.event("error"))["error"]["code"] == "shutting_down"
        await ended(client.socket)
        assert client.socket.close_code == 1012


async def test_a_client_whose_worker_dies_is_told(tmp_path: Path) -> None:
    async with (
        worker_process(tmp_path, "pcm-echo") as worker,
        whole_transceiver(config(tmp_path, workers=(worker.address,)), tmp_path) as house,
        connected(house, "model=pcm-echo") as client,
    ):
        await client.event("session.created")
        await worker.kill()
        assert (await client.event("error"))["error"]["code"] == "worker_lost"
        await ended(client.socket)
        assert client.socket.close_code == 1011


async def ended(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Reads until the connection is closed."""
    async with asyncio.timeout(10):
        while (await socket.receive()).type not in {
            WSMsgType.CLOSE,
            WSMsgType.CLOSED,
            WSMsgType.CLOSING,
            WSMsgType.ERROR,
        }:
            pass
