"""`python -m offhook_worker echo --listen ADDRESS`, or `module:Class` for a worker of one's own."""

import argparse
import importlib
import logging
import sys

from offhook_worker.echo import EchoWorker
from offhook_worker.options import ServeOptions
from offhook_worker.server import serve
from offhook_worker.worker import VoiceWorker


class UnknownWorker(Exception):
    """A name that leads to no worker; the message says which part of it is wrong."""


def load_worker(name: str) -> VoiceWorker:
    """The worker `echo`, or an instance of the class `module:Class`.

    Raises:
        UnknownWorker: no such worker.
    """
    if name == "echo":
        return EchoWorker()
    module_name, colon, class_name = name.partition(":")
    if not colon:
        raise UnknownWorker(f"{name!r} is neither 'echo' nor 'module:Class'")
    try:
        worker_class = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise UnknownWorker(f"cannot load {name!r}: {error}") from error
    if not (isinstance(worker_class, type) and issubclass(worker_class, VoiceWorker)):
        raise UnknownWorker(f"{name!r} is no VoiceWorker")
    return worker_class()


def main() -> None:
    """Parses the arguments and serves."""
    parser = argparse.ArgumentParser(
        prog="python -m offhook_worker",
        description="Serves a worker to an offhook fabric.",
    )
    parser.add_argument("worker", help="'echo', or 'module:Class' of a VoiceWorker")
    parser.add_argument(
        "--listen",
        default="127.0.0.1:9000",
        metavar="ADDRESS",
        help="host:port or unix:/path",
    )
    parser.add_argument("--max-sessions", type=int, default=ServeOptions().max_sessions, metavar="N")
    parser.add_argument("--drain", type=float, default=ServeOptions().drain_s, metavar="SECONDS")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        worker = load_worker(arguments.worker)
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
