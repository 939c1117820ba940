"""What the trace of a call says of how it was set up and how it ended.

Spans below the call, beside the worker's own and those of turns and answers (answer_latency.py):

    offer         until it was answered; in it, worker: open, until a worker had taken the call (placing.py)
    ice           until the client's first check
    dtls          from there until DTLS was up
    first audio   from there until the client's first packet; on a WebSocket, from the answer until its first audio
"""

from offhook.service.tracing import Trace
from transceiver.quality.report import CallReport
from transceiver.quality.socket_report import SocketReport, SocketTimes
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
    _end(trace, report, now)


def end_socket_trace(trace: Trace, report: SocketReport, times: SocketTimes, *, now: float) -> None:
    """The same of a session on a WebSocket, which has no media to be set up."""
    if times.answered_at is not None and times.heard_at is not None:
        trace.span("first audio", times.answered_at, times.heard_at)
    _end(trace, report, now)


def _end(trace: Trace, report: CallReport | SocketReport, now: float) -> None:
    fields = report.fields()
    del fields["call"]
    trace.end(now, {f"offhook.{name}": value for name, value in fields.items()})
