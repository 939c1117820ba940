"""`offhook bench worker-link`: what batching buys on the link to workers."""

from typing import Annotated, Any

import typer

from bench.report.write import Files
from offhook.cli.bench.output import HtmlFile, JsonFile, JunitFile, lines, measured, numbers, told

NAME = "worker-link"


def worker_link(
    sessions: Annotated[
        str, typer.Option(help="Numbers of echo sessions over one link, separated by commas, in rising order.")
    ] = "50,200",
    seconds: Annotated[float, typer.Option(min=1, max=60, help="Length of the steady stretch.")] = 6,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="How often each point is measured.")] = 1,
    as_json: JsonFile = None,
    as_html: HtmlFile = None,
    as_junit: JunitFile = None,
) -> None:
    """What batching buys on the link to workers: CPU per frame and delay, beside one message per frame, in one run.

    The transceiver's end has core 0, the echo worker core 1; each session sends a frame every 20 ms and gets it back.

    Exit codes: as of `offhook bench transceiver`.
    """
    # Here and not above: a relay image has no libraries of the link.
    from bench.worker_link.compare import Wanted, compare

    wanted = Wanted(tuple(numbers(NAME, "--sessions", sessions, rising=True)), seconds, rounds)
    console = told()
    console.print(f"About {2 * len(wanted.sessions) * rounds * (seconds + 4):.0f} s.")
    show = lines(console, _progress)
    measured(NAME, lambda: compare(wanted, show), Files(as_json, as_html, as_junit), console)


def _progress(point: dict[str, Any]) -> str:
    cpu, trip, late = point["cpu_us_per_frame"], point["round_trip_ms"], point["sent_late_ms"]
    return (
        f"{point['way']:>16} {point['sessions']:>5} sessions: transceiver {cpu['transceiver']} + worker "
        f"{cpu['worker']} µs CPU per frame; {point['frames_per_message']['to_worker']} frames per message; round trip "
        f"{trip.get('p50')}/{trip.get('p99')} ms, queue delay at the worker {point['worker_queue_delay_ms_p95']} ms; "
        f"returned {point['returned_share']:.1%}; sent late {late.get('p99')} ms"
    )
