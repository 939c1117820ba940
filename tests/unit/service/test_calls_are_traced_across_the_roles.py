"""A call is one trace: its set-up and end by the transceiver, the session on the worker below it."""

import asyncio
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from offhook import worker_role
from offhook.service.config import ConfigError
from offhook.service.tracing import NO_TRACING, TracingConfig, open_tracing
from offhook.worker_role import WorkerConfig
from tests.support.live_caller import calling
from tests.support.socket_scene import BY_HAND, connected, parrot_house
from tests.support.trace_collector import CollectedSpan, TraceCollector, collecting
from tests.support.udp_peer import until
from tests.support.whole_transceiver import reachable_transceiver
from transceiver.quality.socket_report import SocketReport

SETUP = {"offer", "worker: open", "ice", "dtls", "first audio"}


async def one_call(directory: Path, collector: TraceCollector, ratio: float = 1.0) -> str:
    """A call through a transceiver and a worker that both trace, from offer to hang-up; returns its id.

    Both are stopped at the end, so everything has been sent then.
    """
    tracing = TracingConfig(otlp_endpoint=collector.endpoint, sample_ratio=ratio)
    address, stop = f"unix:{directory}/worker.sock", asyncio.Event()
    config = WorkerConfig(
        name="worker-1", worker="echo", listen=address, admin_listen="127.0.0.1:0", tracing=tracing, drain_s=0
    )
    ready = directory / "worker.json"
    worker = asyncio.create_task(worker_role._serve(config, stop, ready))
    await until(ready.exists, "the worker is ready")
    async with (
        reachable_transceiver(directory, workers=(address,), tracing=tracing, drain_s=0) as transceiver,
        calling(transceiver, model="echo") as caller,
    ):
        call_id = caller.call_id
        status, _, _ = await caller.request("POST", f"/v1/realtime/calls/{call_id}/hangup")
        assert status == 200
    stop.set()
    await worker
    return call_id


async def test_a_call_is_one_trace_from_the_offer_to_the_worker(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with collecting() as collector:
            call_id = await one_call(tmp_path, collector)
            await until(lambda: any(span.name == "call" for span in collector.spans), "the call is told of")
    (root,) = [span for span in collector.spans if not span.parent]
    (of_worker,) = [span for span in collector.spans if span.service == "offhook-worker"]
    assert {span.trace_id for span in collector.spans} == {root.trace_id}
    assert {span.parent for span in collector.spans if span is not root} == {root.span_id}
    assert {span.name for span in collector.spans} == {"call", "worker session", *SETUP}
    assert root.attributes["offhook.call_id"] == of_worker.attributes["offhook.call_id"] == call_id
    assert (root.attributes["offhook.model"], root.attributes["offhook.reason"]) == ("echo", "hangup")
    _assert_in_order(root, {span.name: span for span in collector.spans})
    of_call = [line for line in lines if line.get("call") == call_id and line["event"].startswith("call ")]
    assert {line["event"] for line in of_call} == {"call placed", "call connected", "call ended"}
    assert {line["trace_id"] for line in of_call} == {root.trace_id}
    assert "127.0.0.1" not in str(collector.spans)


async def test_a_session_on_a_websocket_is_one_trace_too(tmp_path: Path) -> None:
    pytest.importorskip("offhook_datapath", reason="the native module is not built here")
    with capture_logs() as lines:
        async with collecting() as collector:
            tracing = TracingConfig(otlp_endpoint=collector.endpoint)
            async with parrot_house(tmp_path, tracing=tracing, drain_s=0) as house, connected(house) as client:
                await client.configure(**BY_HAND)
                await client.append(bytes(48_000))
                await client.send("input_audio_buffer.commit")
                await client.send("response.create")
                await client.event("response.done")
                await client.socket.close()
                ended = await _line(lines, "call ended")
                assert await house.report_on(ended["call"]) == {name: ended[name] for name in SocketReport.__slots__}
            await until(lambda: any(span.name == "call" for span in collector.spans), "the call is told of")
    (root,) = [span for span in collector.spans if not span.parent]
    assert {span.trace_id for span in collector.spans} == {root.trace_id}
    assert {span.name for span in collector.spans} >= {"call", "worker: open", "first audio"}
    of_call = [line for line in lines if line.get("call") == root.attributes["offhook.call_id"]]
    assert [line["event"] for line in of_call] == ["call placed", "call ended"]
    assert {line["trace_id"] for line in of_call} == {root.trace_id}
    assert root.attributes["offhook.transport"] == "websocket"
    assert root.attributes["offhook.from_client_audio_ms"] == 1000
    assert root.attributes["offhook.answer_audio_ms"] == pytest.approx(1000, abs=40)


async def _line(lines: list[MutableMapping[str, Any]], event: str) -> Mapping[str, Any]:
    """The log line of it, once there is one."""
    await until(lambda: any(line["event"] == event for line in lines), event)
    return next(line for line in lines if line["event"] == event)


def _assert_in_order(root: CollectedSpan, spans: dict[str, CollectedSpan]) -> None:
    for name in SETUP:
        assert root.begin_ns <= spans[name].begin_ns <= spans[name].end_ns <= root.end_ns, name
    assert spans["ice"].end_ns <= spans["dtls"].begin_ns
    assert spans["dtls"].end_ns <= spans["first audio"].begin_ns


async def test_what_is_not_sampled_is_sampled_nowhere(tmp_path: Path) -> None:
    async with collecting() as collector:
        await one_call(tmp_path, collector, ratio=0.0)
    assert not collector.spans


async def test_a_collector_that_is_away_costs_no_call(tmp_path: Path) -> None:
    nowhere = TraceCollector(endpoint="http://127.0.0.1:9")
    async with asyncio.timeout(40):
        assert await one_call(tmp_path, nowhere)


def test_nothing_is_traced_unless_it_is_asked_for() -> None:
    assert open_tracing(None, role="transceiver", name="t") is NO_TRACING


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "offhook.service.otel", None)
    with pytest.raises(ConfigError, match=r"tracing: needs offhook\[tracing\]"):
        open_tracing(TracingConfig(otlp_endpoint="http://collector:4317"), role="transceiver", name="t")


async def test_a_traceparent_that_is_none_begins_a_trace_of_its_own() -> None:
    async with collecting() as collector:
        tracing = open_tracing(TracingConfig(otlp_endpoint=collector.endpoint), role="worker", name="w")
        for parent in ("", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "ff" * 500):
            trace = tracing.begin("worker session", 0.0, parent=parent)
            assert len(trace.trace_id) == 32
            trace.end(1.0)
        await tracing.close()
        assert len({span.trace_id for span in collector.spans}) == 4
        assert not any(span.parent for span in collector.spans)
