"""The conformance run: calls a worker as a transceiver does, and says what is wrong with it and what to do.

For workers in any language: nothing here knows the SDK, only the protocol (proto/offhook/worker/v1/worker.proto).
"""

from offhook_worker.check.command import BadSpeech, check_and_report, read_speech
from offhook_worker.check.endpoint import BadTls, ClientTls
from offhook_worker.check.finding import Finding, Status, any_failed
from offhook_worker.check.report import as_json, one_line, summary
from offhook_worker.check.run import check_worker
from offhook_worker.check.target import CheckOptions

__all__ = [
    "BadSpeech",
    "BadTls",
    "CheckOptions",
    "ClientTls",
    "Finding",
    "Status",
    "any_failed",
    "as_json",
    "check_and_report",
    "check_worker",
    "one_line",
    "read_speech",
    "summary",
]
