"""What a worker and its transceiver export of each other: queue delay, pace, first-audio latency by stage."""

from collections.abc import AsyncIterator

from offhook_worker import Load, Model, Reply, Speech, Turn, TurnWorker, pcm
from offhook_worker.counters import STAGES
from prometheus_client import CollectorRegistry

from offhook.worker_role import WorkerCollector
from tests.support.turn_caller import TurnCaller
from tests.support.worker_scene import hand_transceiver, pool_of, serving, until


class Busy(TurnWorker):
    """Answers at once, and says how busy it is."""

    models = (Model("busy", (pcm(16_000),), (pcm(24_000),)),)

    async def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        turn.mark("model")
        yield Speech(bytes(960))

    def load(self) -> Load:
        return Load(utilization=0.5, real_time_factor=0.25, queue_delay_ms=40.0)


async def test_a_worker_tells_its_load_and_where_the_first_audio_came_from() -> None:
    registry = CollectorRegistry()
    async with serving(Busy()) as (server, address), hand_transceiver(address) as transceiver:
        registry.register(WorkerCollector(server))
        caller = TurnCaller(transceiver)
        await caller.open("busy")
        await caller.ask("hello")
        assert registry.get_sample_value("fabric_worker_queue_delay_p95_seconds") == 0.04
        assert registry.get_sample_value("fabric_worker_real_time_factor") == 0.25
        assert registry.get_sample_value("fabric_worker_utilization") == 0.5
        for stage in STAGES:
            count = registry.get_sample_value("fabric_worker_first_audio_seconds_count", {"stage": stage})
            assert count == (1 if stage in {"model", "speech"} else 0)


async def test_a_transceiver_knows_the_load_of_its_workers_and_how_fast_they_answer() -> None:
    async with serving(Busy()) as (_, address), pool_of([address]) as pool:
        (load,) = pool.loads()
        assert (load.utilization, load.real_time_factor, load.queue_delay_ms_p95) == (0.5, 0.25, 40.0)
        (stream,) = pool.streams()
        await until(lambda: stream.ping_round_trip_s > 0)
        assert stream.input_waiting_us == stream.inputs_queued == 0
