"""What foreign clients need, and what happens where it is missing."""

import os
from collections.abc import Callable

import pytest


@pytest.fixture
def require() -> Callable[[str | None], None]:
    """Skips the test for the reason given, if one is; in CI, where nothing may be missing, it fails instead."""

    def check(missing: str | None) -> None:
        if missing and os.environ.get("CI") == "true":
            pytest.fail(f"{missing}, and CI must run this")
        if missing:
            pytest.skip(missing)

    return check
