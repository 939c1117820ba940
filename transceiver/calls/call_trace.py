"""What the trace of a call says of how it was set up and how it ended.

Spans below the call, beside the worker's own and those of turns and answers (answer_latency.py):

    offer         until it was answered; in it, worker: open, until a worker had taken the call (placing.py)
    ice           until the client's first check
    dtls          from there until DTLS was up
    first audio   from there until the client's first packet
"""

from offhook.service.tracing import Trace
from transceiver.quality.report import CallReport
from transceiver.session.setup_stages import SetupStages


def end_trace(trace: Trace, report: CallReport, stages: SetupStages, *, answered_at: float | None, now: float) -> None:
    """Notes each stage that was reached, and ends the trace with the report as its attributes."""
    steps = (
        ("offer", stages.offered_at, answered_at),
        ("ice", stages.offered_at, stages.reached_at),
        ("dtls", stages.reached_at, stages.connected_at),
        ("first audio", stages.connected_at, stages.heard_at),
    )
    for name, begin, end in steps:
        if begin is not None and end is not None:
            trace.span(name, begin, end)
    fields = report.fields()
    del fields["call"]
    trace.end(now, {f"offhook.{name}": value for name, value in fields.items()})
