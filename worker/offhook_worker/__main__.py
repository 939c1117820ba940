"""`python -m offhook_worker echo|pcm-echo|agent --listen ADDRESS`, or `module:Class` for a worker of one's own."""

import argparse
import importlib
import logging
import os
import sys
from pathlib import Path

from offhook_worker.echo import EchoWorker
from offhook_worker.options import ServeOptions
from offhook_worker.pcm_echo import PcmEchoWorker
from offhook_worker.server import serve
from offhook_worker.worker import VoiceWorker

ECHOES: dict[str, type[VoiceWorker]] = {"echo": EchoWorker, "pcm-echo": PcmEchoWorker}


class UnknownWorker(Exception):
    """A name that leads to no worker; the message says which part of it is wrong."""


def load_worker(name: str, models: Path | None = None) -> VoiceWorker:
    """A reference worker, or an instance of the class `module:Class`.

    Args:
        models: where the agent's model files are.

    Raises:
        UnknownWorker: no such worker, or it cannot run here.
    """
    if name in ECHOES:
        return ECHOES[name]()
    if name == "agent":
        return _load_agent(models or default_models())
    module_name, colon, class_name = name.partition(":")
    if not colon:
        raise UnknownWorker(f"{name!r} is neither 'echo', 'pcm-echo' nor 'agent', nor 'module:Class'")
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


def main() -> None:
    """Parses the arguments and serves."""
    parser = argparse.ArgumentParser(
        prog="python -m offhook_worker",
        description="Serves a worker to an offhook fabric.",
    )
    parser.add_argument("worker", help="'echo', 'pcm-echo', 'agent', or 'module:Class' of a VoiceWorker")
    parser.add_argument(
        "--listen",
        default="127.0.0.1:9000",
        metavar="ADDRESS",
        help="host:port or unix:/path",
    )
    parser.add_argument("--max-sessions", type=int, default=ServeOptions().max_sessions, metavar="N")
    parser.add_argument("--models", type=Path, metavar="DIRECTORY", help="the agent's model files")
    parser.add_argument("--drain", type=float, default=ServeOptions().drain_s, metavar="SECONDS")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        worker = load_worker(arguments.worker, arguments.models)
        serve(
            worker,
            arguments.listen,
            ServeOptions(max_sessions=arguments.max_sessions, drain_s=arguments.drain),
            on_listening=_tell_address,
        )
    except (UnknownWorker, ValueError, OSError) as error:
        parser.exit(2, f"{error}\n")


def _tell_address(bound: str) -> None:
    sys.stdout.write(f"listening on {bound}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
