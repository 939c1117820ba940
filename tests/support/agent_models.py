"""Whether the agent's models are here."""

import os

import pytest

from offhook.models.manifest import Part
from offhook.models.store import has_part


def need_models() -> None:
    """Skips where the agent's models are not fetched; in CI they are."""
    if not has_part(Part.AGENT):
        if os.environ.get("CI") == "true":
            pytest.fail("the agent's models are missing: offhook models fetch")
        pytest.skip("the agent's models are not fetched: offhook models fetch")
