"""`--fault` as people write it: what is understood, and what is refused with a sentence."""

import json
from pathlib import Path

import pytest

from bench.calls.fabric import BadFabric, Fabric
from bench.calls.fault_actions import prepared
from bench.calls.fault_options import BadFault, FaultOption, parse_fault
from bench.calls.plan import Plan
from bench.calls.target import target_of

PLAN = Plan(
    target=target_of("ws://127.0.0.1:9", None),
    key=None,
    profile="conversation",
    calls=1,
    rate=1,
    duration_s=1,
    processes=1,
    warm_up=1,
    first_address="127.0.0.1",
)


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("kill-relay@30s", FaultOption("kill-relay@30s", "kill", 30, victim="relay")),
        ("kill-worker-1@2.5s", FaultOption("kill-worker-1@2.5s", "kill", 2.5, victim="worker-1")),
        ("nat-rebind@20s", FaultOption("nat-rebind@20s", "nat-rebind", 20)),
        ("loss=5%", FaultOption("loss=5%", "loss", loss=0.05)),
        ("loss=0.5%@3s-4s", FaultOption("loss=0.5%@3s-4s", "loss", 3, 4, loss=0.005)),
        ("delay=80ms", FaultOption("delay=80ms", "delay", delay_s=0.08)),
        ("delay=80ms±20", FaultOption("delay=80ms±20", "delay", delay_s=0.08, jitter_s=0.02)),
        ("delay=80ms+-20ms@1s", FaultOption("delay=80ms+-20ms@1s", "delay", 1, delay_s=0.08, jitter_s=0.02)),
    ],
)
def test_a_fault_is_understood(text: str, understood: FaultOption) -> None:
    assert parse_fault(text) == understood


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "is none of kill-relay@30s"),
        ("kill-relay", "is none of"),
        ("kill-@3s", "is none of"),
        ("loss=5", "is none of"),
        ("loss=101%", "more than everything"),
        ("loss=5%@9s-3s", "ends before it begins"),
        ("delay=20ms±30", "at most itself"),
        ("delay=99999ms", "at most 10000 ms"),
        ("kill-relay@3s-5s", "is none of"),
    ],
)
def test_what_is_no_fault_is_refused(text: str, because: str) -> None:
    with pytest.raises(BadFault, match=because):
        parse_fault(text)


async def test_only_what_was_named_can_be_killed() -> None:
    with pytest.raises(BadFault, match="those that were named are relay-0"):
        async with prepared([parse_fault("kill-worker@1s")], PLAN, lambda: {"relay-0": 1}):
            pass
    with pytest.raises(BadFault, match="--fabric or --pid"):
        async with prepared([parse_fault("kill-worker@1s")], PLAN, dict):
            pass


async def test_callers_on_websockets_have_no_path_to_be_worsened() -> None:
    with pytest.raises(BadFault, match="no UDP path"):
        async with prepared([parse_fault("loss=5%")], PLAN, dict):
            pass


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"processes": [{"role": "relay"}]})])
def test_a_file_of_something_else_is_no_fabric(content: str, tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    file.write_text(content)
    with pytest.raises(BadFabric, match="is not what `offhook up --ready-file` writes"):
        Fabric(file)
