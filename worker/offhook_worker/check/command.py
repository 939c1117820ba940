"""`check`: the conformance run as a command."""

import asyncio
import sys
import wave
from collections.abc import Callable
from pathlib import Path

from offhook_worker.check.finding import Finding, any_failed
from offhook_worker.check.report import as_json, one_line, summary
from offhook_worker.check.run import check_worker
from offhook_worker.check.target import CheckOptions


class BadSpeech(ValueError):
    """The file is not what is asked for; the message says what is."""


def read_speech(path: Path) -> tuple[bytes, int]:
    """16-bit mono samples and their rate, of a WAV file.

    Raises:
        BadSpeech: it is something else, or cannot be read.
    """
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise BadSpeech(f"{path} is not 16-bit mono")
            return file.readframes(file.getnframes()), file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise BadSpeech(f"{path} cannot be read as a WAV file: {error}") from None


def check_and_report(address: str, options: CheckOptions, *, json: bool) -> int:
    """Runs the checks, prints what was found, returns the exit code: 0 conforms, 1 does not."""
    tell: Callable[[Finding], None] = _ignore if json else _print_finding
    findings = asyncio.run(check_worker(address, options, tell))
    sys.stdout.write((as_json(address, findings) if json else summary(findings)) + "\n")
    return 1 if any_failed(findings) else 0


def _print_finding(finding: Finding) -> None:
    sys.stdout.write(one_line(finding) + "\n")
    sys.stdout.flush()


def _ignore(_finding: Finding) -> None:
    """With --json, standard output holds one object and nothing else."""
