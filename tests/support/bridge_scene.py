"""Bridges between a caller by hand and the servers behind them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_worker import ServeOptions
from offhook_worker.bridge.cascade import CascadeBridge
from offhook_worker.bridge.realtime.worker import RealtimeBridge
from offhook_worker.bridge.settings import CascadeSettings, RealtimeServer
from offhook_worker.samples import to_pcm

from tests.support.turn_caller import PCM_OUT, TurnCaller
from tests.support.worker_scene import hand_transceiver, serving

TRANSCRIBED = pb.SessionConfig(transcription=pb.Transcription(model="any"))
TEXT_ONLY = pb.SessionConfig(output_modalities=[pb.MODALITY_TEXT])
NOISE = to_pcm(np.random.default_rng(3).normal(0, 0.2, 16_000).astype(np.float32))
"""A second that is loud enough to be worth a transcript."""


def remote(url: str, **chat: Any) -> CascadeSettings:  # noqa: ANN401 - fields of ChatServer
    """Settings of a cascade with every part at one server, which is not asked for metrics."""
    server = {"url": url, "metrics_url": "off"}
    return CascadeSettings.model_validate(
        {"chat": {**server, **chat}, "transcription": server, "speech": server},
    )


@asynccontextmanager
async def realtime_bridged(
    server: RealtimeServer,
    config: pb.SessionConfig | None = None,
    history: Sequence[pb.HistoryItem] = (),
    output_credit_ms: int = 600_000,
) -> AsyncIterator[TurnCaller]:
    """A call through a realtime bridge."""
    async with (
        serving(RealtimeBridge(server), ServeOptions(peer_timeout_s=120)) as (_, address),
        hand_transceiver(address) as transceiver,
    ):
        caller = TurnCaller(transceiver)
        await caller.open(server.name, config, input_format=PCM_OUT, history=history, output_credit_ms=output_credit_ms)
        yield caller


@asynccontextmanager
async def bridged(settings: CascadeSettings, config: pb.SessionConfig | None = None) -> AsyncIterator[TurnCaller]:
    """A call through a cascade bridge."""
    worker = CascadeBridge(settings, Path("/nonexistent"))
    async with (
        serving(worker, ServeOptions(peer_timeout_s=120)) as (_, address),
        hand_transceiver(address) as transceiver,
    ):
        caller = TurnCaller(transceiver)
        await caller.open(settings.name, config)
        yield caller
