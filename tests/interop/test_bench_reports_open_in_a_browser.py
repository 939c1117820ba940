"""The HTML report in a real Chromium: it says what JSON and terminal say, fetches nothing, and complains of nothing."""

import io
import json
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.report.model import Result
from bench.report.quantities import Unit
from bench.report.shown import shown
from bench.report.terminal import print_summary
from bench.report.write import Files, write
from tests.interop.browser import EXECUTABLES, missing_part
from tests.support.bench_results import calls_result, rows_result

SCRIPT = Path(__file__).parent / "report_page.mjs"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def opened(page: Path, picture: Path, scheme: str) -> dict[str, Any]:
    """What Chromium shows of a page."""
    executable = next(filter(None, map(shutil.which, EXECUTABLES["chromium"])))
    command = ["node", str(SCRIPT), executable, str(page), str(picture), scheme]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def photographed(picture: Path) -> bool:
    """A PNG that holds more than an empty page: of one colour, nearly all bytes of its rows are alike."""
    data = picture.read_bytes()
    width, height = struct.unpack_from(">II", data, 16)
    pixels, at = b"", 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        pixels += data[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    rows = zlib.decompress(pixels)
    return width >= 1000 and height >= 500 and len(set(rows)) > 100 and rows.count(0) < 0.99 * len(rows)


def printed(result: Result) -> str:
    """What the terminal shows."""
    out = io.StringIO()
    print_summary(result, Console(file=out, width=200))
    return out.getvalue()


def figures(written: dict[str, Any]) -> list[str]:
    """Every figure of the JSON that a reader should find, as it is printed."""

    def text(value: float | None, unit: Unit) -> str:
        return shown(value, unit)

    found = [
        text(each[quantile], each["unit"])
        for each in written["distributions"]
        for quantile in ("p50", "p90", "p95", "p99", "p999", "max")
    ]
    found += [text(slo["actual"], slo["unit"]) for slo in written["verdict"]["slos"]]
    found += [text(fault["silence"]["max"], "ms") for fault in written["faults"]]
    found += [text(each["cpu_ms_per_call_second"], "ms/call-second") for each in written["processes"]]
    found += [text(each["value"], each["unit"]) for row in written["rows"] for each in row["figures"]]
    if written["packets"]:
        found += [f"{written['packets'][name]:,}" for name in ("sent", "received")]
        found.append(text(written["packets"]["lost"] / written["packets"]["sent"], "share"))
    return found


@pytest.mark.parametrize("make", [calls_result, rows_result])
def test_browser_terminal_and_json_agree_and_nothing_is_fetched(
    make: Callable[[], Result], tmp_path: Path, require: Callable[[str | None], None]
) -> None:
    require(missing_part("chromium"))
    result = make()
    page, written = tmp_path / "report.html", tmp_path / "result.json"
    write(result, Files(json=written, html=page))
    seen = opened(page, tmp_path / "report.png", "light")
    assert seen["complaints"] == []
    assert seen["requests"] == [page.as_uri()]
    assert not seen["overflows"]
    assert seen["clipped"] == []
    assert photographed(tmp_path / "report.png")
    terminal = printed(result)
    read = json.loads(written.read_text())
    assert len(figures(read)) >= 8
    for figure in figures(read):
        assert figure in seen["text"]
        assert figure in terminal


def test_the_report_is_dark_for_who_reads_in_the_dark(tmp_path: Path, require: Callable[[str | None], None]) -> None:
    require(missing_part("chromium"))
    write(calls_result(), Files(html=tmp_path / "report.html"))
    seen = opened(tmp_path / "report.html", tmp_path / "report.png", "dark")
    red, green, blue = (int(part) for part in seen["background"][4:-1].split(","))
    assert max(red, green, blue) < 64
    assert photographed(tmp_path / "report.png")
