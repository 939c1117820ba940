"""The behaviour suite runs once per engine."""

from collections.abc import AsyncIterator

import pytest

from tests.support.relay_scene import ENGINES, RelayScene, relay_scene


@pytest.fixture(params=sorted(ENGINES))
def engine_name(request: pytest.FixtureRequest) -> str:
    name = request.param
    assert isinstance(name, str)
    return name


@pytest.fixture
async def scene(engine_name: str) -> AsyncIterator[RelayScene]:
    async with relay_scene(engine_name) as opened:
        yield opened
