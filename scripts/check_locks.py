"""Checks the lock files without asking any registry.

Fails unless every requirement of an .in file has a pin that satisfies it, every pin has a hash, dev.txt pins what
runtime.txt pins, the npm locks match their package.json, and none names a registry: whoever installs chooses theirs.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(.*)$")


def read_pins(path: Path) -> dict[str, set[str]]:
    """Canonical name → its pinned versions (several where markers tell them apart)."""
    pins: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        if match := PIN.match(line):
            pins.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return pins


def read_requirements(path: Path) -> Iterator[Requirement]:
    """The requirements of an .in file, those it includes with -r as well; -c only holds versions together."""
    for line in path.read_text().splitlines():
        text = line.split("#")[0].strip()
        if text.startswith("-r "):
            yield from read_requirements(path.parent / text.removeprefix("-r ").strip())
        elif text and not text.startswith("-c "):
            yield Requirement(text)


def python_faults(name: str) -> Iterator[str]:
    """What is wrong with requirements/NAME.txt, one line each."""
    path = REQUIREMENTS / f"{name}.txt"
    text = path.read_text()
    pins = read_pins(path)
    for requirement in read_requirements(REQUIREMENTS / f"{name}.in"):
        versions = pins.get(canonicalize_name(requirement.name), set())
        if not any(requirement.specifier.contains(version, prereleases=True) for version in versions):
            yield f"{path.name}: no pin satisfies `{requirement}`"
    for block in re.split(r"\n(?=\S)", text.strip()):
        if "--hash=sha256:" not in block:
            yield f"{path.name}: no hash for `{block.split()[0]}`"
    if "://" in text or "--index-url" in text or "--find-links" in text:
        yield f"{path.name}: names a registry"


def npm_faults(project: Path) -> Iterator[str]:
    """What is wrong with the npm lock of a project, one line each."""
    lock = json.loads((project / "package-lock.json").read_text())
    package = json.loads((project / "package.json").read_text())
    for kind in ("dependencies", "devDependencies"):
        if lock["packages"][""].get(kind) != package.get(kind):
            yield f"{project.name}/package-lock.json: {kind} differ from package.json"
    for name, entry in lock["packages"].items():
        if "resolved" in entry:
            yield f"{project.name}/package-lock.json: {name} names a registry"
        if name and "integrity" not in entry:
            yield f"{project.name}/package-lock.json: {name} has no hash"


def faults() -> Iterator[str]:
    """Everything wrong with the lock files."""
    for name in sorted(path.stem for path in REQUIREMENTS.glob("*.in")):
        yield from python_faults(name)
    runtime, dev = read_pins(REQUIREMENTS / "runtime.txt"), read_pins(REQUIREMENTS / "dev.txt")
    for name, versions in runtime.items():
        if dev.get(name) != versions:
            yield f"dev.txt: {name} is {dev.get(name)}, in runtime.txt {versions}"
    for project in ("interop", "sdk"):
        yield from npm_faults(ROOT / "tests" / project)


if __name__ == "__main__":
    found = list(faults())
    sys.stderr.writelines(f"{fault}\n" for fault in found)
    if found:
        sys.stderr.write("run `make lock` (or npm install, and remove every `resolved`)\n")
    sys.exit(bool(found))
