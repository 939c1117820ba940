"""The Python clients, unmodified, in an environment of their own: typed, spoken, a function, an interruption."""

from collections.abc import Callable

import pytest

from tests.sdk.stage import CLIENTS, SDK_PYTHON, Stage, check_conversation, missing_python_part


@pytest.mark.parametrize("client", ["openai_python", "agents_python", "pipecat_client", "livekit_client"])
async def test_a_client_over_a_websocket(
    stage: Stage, client: str, require: Callable[[str | None], None], show: Callable[[str], None]
) -> None:
    require(missing_python_part())
    report = await stage.perform([SDK_PYTHON, CLIENTS / f"{client}.py"], f"{stage.websocket}/v1")
    show(f"{client}: {check_conversation(report)}")
    assert report["interruption"]["told"] >= 1
