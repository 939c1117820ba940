"""docs/realtime-api.md says what the tests prove: each endpoint and event has a test, or a reason why it has none."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "realtime_page.py"


def test_the_page_is_what_the_tests_say() -> None:
    checked = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
