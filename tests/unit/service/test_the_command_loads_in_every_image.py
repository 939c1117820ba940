"""The command line loads with what each image has installed: no role needs the libraries of another, or of a bench."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[3] / "requirements"
IMAGES = [path for path in sorted(REQUIREMENTS.glob("image-*.txt")) if path.stem != "image-build"]
OURS = frozenset({"offhook", "offhook-worker", "offhook-datapath"})


def name_of(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_the_command_loads(image: Path) -> None:
    installed = {name_of(found[1]) for found in re.finditer(r"^([\w.-]+)==", image.read_text(), re.MULTILINE)} | OURS
    missing = [
        module
        for module, distributions in packages_distributions().items()
        if not {name_of(each) for each in distributions} & installed
    ]
    program = f"import sys; sys.modules.update(dict.fromkeys({missing!r})); import offhook.cli.main"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
