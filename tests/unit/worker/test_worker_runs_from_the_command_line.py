"""`python -m offhook_worker`, and what the distribution may import."""

import ast
import subprocess
import sys
from pathlib import Path

import offhook_worker
import pytest
from offhook_worker.__main__ import UnknownWorker, load_worker
from offhook_worker.echo import EchoWorker

PACKAGE = Path(offhook_worker.__file__).parent


def imports_of(path: Path) -> set[str]:
    """The modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
    return found


def test_the_sdk_imports_the_standard_library_grpc_protobuf_and_its_own_protocol_only() -> None:
    allowed = ("grpc", "google.protobuf", "offhook_proto.worker", "offhook_worker")
    for path in PACKAGE.glob("*.py"):
        for module in imports_of(path):
            is_standard = module.partition(".")[0] in sys.stdlib_module_names
            # Arrays are an extra, and nothing imports this module but who wants them.
            is_extra = path.name == "samples.py" and module.startswith("numpy")
            assert is_standard or is_extra or module.startswith(allowed), f"{path.name} imports {module}"
            assert module != "offhook_worker.samples", f"{path.name} needs numpy"


def test_a_worker_is_found_by_name() -> None:
    assert isinstance(load_worker("echo"), EchoWorker)
    assert isinstance(load_worker("offhook_worker.echo:EchoWorker"), EchoWorker)


@pytest.mark.parametrize(
    "name", ["ecko", "no_such_module:Worker", "offhook_worker.echo:Nobody", "offhook_worker.echo:OPUS"]
)
def test_a_wrong_name_is_one_clear_line(name: str) -> None:
    with pytest.raises(UnknownWorker, match=name.partition(":")[0]):
        load_worker(name)


@pytest.mark.parametrize(
    "arguments",
    [["ecko"], ["echo", "--listen", "256.1.1.1:0"], ["agent", "--models", "/no/such/directory"]],
    ids=["worker", "address", "models"],
)
def test_a_wrong_argument_ends_with_status_2_and_no_trace(arguments: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "offhook_worker", *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
