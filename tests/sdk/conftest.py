"""One fabric with the voice agent for all clients, and what they need around it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sdk.stage import QUESTIONS, Stage
from tests.support.agent_models import need_models
from tests.support.fabric import running_fabric
from tests.support.tls_front import tls_front


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder talks with a whole fabric."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.timeout(180))


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
