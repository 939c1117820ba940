"""`python -m offhook_worker WORKER --listen ADDRESS`: a reference worker, a bridge, or `module:Class` of one's own."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from offhook_worker.echo import EchoWorker
from offhook_worker.options import ServeOptions
from offhook_worker.pcm_echo import PcmEchoWorker
from offhook_worker.server import serve
from offhook_worker.worker import VoiceWorker

ECHOES: dict[str, type[VoiceWorker]] = {"echo": EchoWorker, "pcm-echo": PcmEchoWorker}
BRIDGES = ("bridge-cascade", "bridge-realtime")
_WORKERS = "'echo', 'pcm-echo', 'agent', 'bridge-cascade', 'bridge-realtime', or 'module:Class' of a VoiceWorker"


class UnknownWorker(Exception):
    """A name that leads to no worker; the message says which part of it is wrong."""


def load_worker(name: str, models: Path | None = None) -> VoiceWorker:
    """A reference worker, a bridge as `bridge-cascade:FILE`, or an instance of the class `module:Class`.

    Args:
        models: where model files are.

    Raises:
        UnknownWorker: no such worker, or it cannot run here.
    """
    if name in ECHOES:
        return ECHOES[name]()
    if name == "agent":
        return _load_agent(models or default_models())
    module_name, colon, class_name = name.partition(":")
    if not colon:
        raise UnknownWorker(f"{name!r} is none of {_WORKERS}")
    if module_name in BRIDGES:
        return _load_bridge(
            lambda command: command.load_bridge(module_name, Path(class_name), models or default_models())
        )
    try:
        worker_class = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise UnknownWorker(f"cannot load {name!r}: {error}") from error
    if not (isinstance(worker_class, type) and issubclass(worker_class, VoiceWorker)):
        raise UnknownWorker(f"{name!r} is no VoiceWorker")
    return worker_class()


def default_models() -> Path:
    """Where `offhook models fetch` puts the model files: $OFFHOOK_MODELS, else the user's cache directory."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("OFFHOOK_MODELS") or Path(cache, "offhook", "models"))


def _load_agent(models: Path) -> VoiceWorker:
    try:
        agent = importlib.import_module("offhook_worker.agent.worker").VoiceAgent(models)
    except ImportError as error:
        raise UnknownWorker(f"the agent needs more: pip install 'offhook-worker[agent]' ({error})") from error
    except FileNotFoundError as error:
        raise UnknownWorker(f"model file {error} is missing; 'offhook models fetch' fetches it") from error
    assert isinstance(agent, VoiceWorker)
    return agent


def _load_bridge(make: Callable[[ModuleType], VoiceWorker]) -> VoiceWorker:
    """A bridge that `make` makes with the module `offhook_worker.bridge.command`.

    Raises:
        UnknownWorker: it cannot run here, or a setting is wrong.
    """
    command = _bridge_command()
    try:
        return make(command)
    except command.InvalidSettings as error:
        raise UnknownWorker(str(error)) from error
    except ImportError as error:
        raise UnknownWorker(f"local parts need more: pip install 'offhook-worker[agent]' ({error})") from error
    except FileNotFoundError as error:
        raise UnknownWorker(f"model file {error} is missing; 'offhook models fetch' fetches it") from error


def _bridge_command() -> ModuleType:
    try:
        return importlib.import_module("offhook_worker.bridge.command")
    except ImportError as error:
        raise UnknownWorker(f"a bridge needs more: pip install 'offhook-worker[bridge]' ({error})") from error


def main() -> None:
    """Parses the arguments and serves."""
    parser = argparse.ArgumentParser(
        prog="python -m offhook_worker",
        description=f"Serves a worker to an offhook fabric. Bridges have options of their own: {BRIDGES[0]} --help.",
    )
    parser.add_argument("worker", help=_WORKERS)
    parser.add_argument("--listen", default="127.0.0.1:9000", metavar="ADDRESS", help="host:port or unix:/path")
    parser.add_argument("--max-sessions", type=int, default=ServeOptions().max_sessions, metavar="N")
    parser.add_argument("--models", type=Path, metavar="DIRECTORY", help="the files of local models")
    parser.add_argument("--drain", type=float, default=ServeOptions().drain_s, metavar="SECONDS")
    try:
        _run(parser)
    except (UnknownWorker, ValueError, OSError) as error:
        parser.exit(2, f"{error}\n")


def _run(parser: argparse.ArgumentParser) -> None:
    bridge = sys.argv[1] if sys.argv[1:2] and sys.argv[1] in BRIDGES else None
    if bridge is not None:
        _bridge_command().add_options(bridge, parser)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    models = arguments.models or default_models()
    if bridge is not None:
        worker = _load_bridge(lambda command: command.make_bridge(bridge, arguments, models))
    else:
        worker = load_worker(arguments.worker, models)
    serve(
        worker,
        arguments.listen,
        ServeOptions(max_sessions=arguments.max_sessions, drain_s=arguments.drain),
        on_listening=_tell_address,
    )


def _tell_address(bound: str) -> None:
    sys.stdout.write(f"listening on {bound}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
