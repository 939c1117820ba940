"""The worker of a run, in a process of its own: `python -m bench.worker_link.echo WAY ADDRESS SESSIONS`."""

import sys

from offhook_worker import ServeOptions, serve
from offhook_worker.echo import EchoWorker

from bench.worker_link.batching import INTERVAL_MS, use


def main() -> None:
    """Serves until SIGTERM."""
    way, address, sessions = sys.argv[1], sys.argv[2], int(sys.argv[3])
    use(way)
    options = ServeOptions(max_sessions=sessions, batch_interval_ms=INTERVAL_MS[way], drain_s=0)
    serve(EchoWorker(), address, options, on_listening=lambda bound: print(bound, flush=True))


if __name__ == "__main__":
    main()
