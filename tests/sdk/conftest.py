"""One fabric with the voice agent for all clients, and what they need around it."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.stage import CLIENTS, QUESTIONS, Stage, chromium, missing_browser, missing_node_part, run_beside
from tests.support.agent_models import need_models
from tests.support.fabric import running_fabric
from tests.support.tls_front import tls_front


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder talks with a whole fabric. What takes longest begins with the first test of it."""
    ours = [item for item in items if isinstance(item, pytest.Function) and Path(__file__).parent in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.system)
        item.add_marker(pytest.mark.timeout(180))
    if any("in_chromium" in item.fixturenames for item in ours):
        ours[0].fixturenames.append("in_chromium")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A fabric with the agent, TLS before it, and recorded questions."""
    need_models()
    pytest.importorskip("offhook_datapath", reason="the native module is not built here")
    # Not above: they need the models and the native module.
    from tests.support.agent_scene import spoken  # noqa: PLC0415 - see the line above
    from tests.support.speech import encode, from_bytes  # noqa: PLC0415 - see above

    directory = tmp_path_factory.mktemp("sdk")
    recordings = {}
    for name, question in QUESTIONS.items():
        recordings[name] = directory / f"{name}.pcm"
        recordings[name].write_bytes(b"".join(encode("PCM24", from_bytes(spoken(question) + bytes(2 * 8_000)))))
    options = ("--relays", "1", "--transceivers", "1", "--workers", "1", "--worker", "agent")
    with running_fabric(*options) as fabric, tls_front(fabric.http, directory) as front:
        yield Stage(fabric, front, recordings)


@pytest.fixture(scope="session")
def in_chromium(stage: Stage) -> "Future[dict[str, Any]] | None":
    """The report to come of the client in Chromium; None where it cannot run.

    Its conversation takes as long as it is spoken: other tests go on meanwhile.
    """
    if missing_node_part() or missing_browser():
        return None
    orders = stage.orders(f"{stage.fabric.http}/v1", chromium=chromium())
    return run_beside(("node", CLIENTS / "agents_chromium.mjs"), orders)
