"""The report as one HTML file: verdict first, no script, nothing fetched, in light and dark.

Every figure in it is text that `tables` and `shown` made, as the terminal's are.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC
from pathlib import Path
from typing import Final

from bench.report.headline import Headline, headline
from bench.report.measures import MEASURES
from bench.report.model import Result
from bench.report.plot_bars import row_plots, setup_plot
from bench.report.plot_percentiles import percentile_plot
from bench.report.plot_timeline import timeline_plot
from bench.report.shown import shown
from bench.report.svg import element
from bench.report.tables import Table, cards, tables
from offhook import __version__

STYLE: Final = Path(__file__).parent / "page.css"
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
BY_PERCENTILE: Final = ("setup", "first_audio", "mouth_to_ear", "round_trip", "longest_silence", "jitter")
AFTER_PLOTS: Final = frozenset({"distributions", "counts", "processes", "generator"})


def html(result: Result) -> str:
    """The page of a result."""
    made = tables(result)
    first = [table for table in made if table.name not in AFTER_PLOTS and not table.name.startswith("rows")]
    body = [
        *_reasons(result.verdict.invalid_because[1:]),
        *_cards(result),
        *map(table_section, first),
        *_over_time(result),
        *_setup(result),
        *(table_section(table) for table in made if table.name.startswith("rows")),
        *_pairs("", row_plots(result.rows)),
        *_percentiles(result),
        *(table_section(table) for table in made if table.name in AFTER_PLOTS),
        _method(result),
    ]
    when = f"{result.run.started_at.astimezone(UTC):%d %B %Y, %H:%M} UTC."
    return page(headline(result), f"offhook bench {result.run.bench}", when, body)


def page(said: Headline, title: str, when: str, body: Iterable[str]) -> str:
    """A page with the finding on top, and sections below it."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        + element("title", f"{said.word}: {title}")
        + f"<style>{STYLE.read_text(encoding='utf-8')}</style>"
    )
    finding = [
        element("p", said.word, class_="word"),
        element("h1", said.sentence),
        element("p", f"{said.asked} {when}", class_="asked"),
    ]
    top = f'<header class="{said.word.replace(" ", "-")}">{"".join(finding)}</header>'
    foot = element("footer", f"{title}, offhook {__version__}. The same figures, for programs: --json.")
    inside = f"<main>{top}{''.join(body)}{foot}</main>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{inside}</body></html>\n'


def _reasons(reasons: Sequence[str]) -> Iterable[str]:
    if reasons:
        yield f'<ul class="reasons">{"".join(element("li", reason) for reason in reasons)}</ul>'


def _cards(result: Result) -> Iterable[str]:
    made = cards(result)
    if made:
        inside = "".join(
            f"<div>{element('dt', card.title)}{element('dd', card.text)}{element('dd', card.note, class_='note')}</div>"
            for card in made
        )
        yield f'<dl class="cards">{inside}</dl>'


def table_section(table: Table) -> str:
    """A table with its title and what explains it."""

    def cell(name: str, index: int, text: str) -> str:
        return element(name, text, **({"class_": "text"} if index in table.text_columns else {}))

    head = "".join(cell("th", index, text) for index, text in enumerate(table.columns))
    rows = []
    for number, row in enumerate(table.rows):
        mark = f' class="{table.marks[number]}"' if table.marks and table.marks[number] else ""
        rows.append(f"<tr{mark}>{''.join(cell('td', index, text) for index, text in enumerate(row))}</tr>")
    explained = element("p", table.explained, class_="explained") if table.explained else ""
    thead = f"<thead><tr>{head}</tr></thead>" if any(table.columns) else ""
    size = "scroll narrow" if len(table.columns) == 2 else "scroll"
    inside = f'<div class="{size}"><table>{thead}<tbody>{"".join(rows)}</tbody></table></div>'
    return f'<section id="{table.name}">{element("h2", table.title)}{explained}{inside}</section>'


def _over_time(result: Result) -> Iterable[str]:
    plot = timeline_plot(result)
    if plot is not None:
        shaded = any(phase.measured for phase in result.timeline.phases)
        marks = [
            "The shaded stretch is the one that the figures are of." if shaded else "",
            "A dashed line is a fault." if result.faults else "",
            f"Each value is of {shown(result.timeline.interval_s, 's')}.",
        ]
        yield element("h2", "The run over time")
        yield f"<figure>{plot}{element('figcaption', ' '.join(filter(None, marks)))}</figure>"


def _setup(result: Result) -> Iterable[str]:
    plot = setup_plot(result)
    if plot is not None:
        yield element("h2", "How a call is set up")
        caption = (
            "Strongest: the median; weaker: 90 % of calls; weakest, with its figure: 99 %. ICE, DTLS and first audio "
            "count from the answer, the answer and the whole from when the call was due."
        )
        yield f"<figure>{plot}{element('figcaption', caption)}</figure>"


def _percentiles(result: Result) -> Iterable[str]:
    found = [each for name in BY_PERCENTILE if (each := result.distribution(name)) is not None]
    plots = [plot for each in found if (plot := percentile_plot(each)) is not None]
    return _pairs("From the fastest to the slowest", plots)


def _pairs(title: str, plots: list[str]) -> list[str]:
    if not plots:
        return []
    inside = "".join(f"<figure>{plot}</figure>" for plot in plots)
    return [element("h2", title) if title else "", f'<div class="pairs">{inside}</div>']


def _method(result: Result) -> str:
    run = result.run
    machine = run.machine
    load = ", ".join(f"{value:.1f}" for value in machine.load_average)
    facts = {
        "Command": f"offhook bench {run.bench}",
        "Options": " ".join(f"{name}={_plain(value)}" for name, value in run.options.items()),
        "Method": run.method,
        "Machine of the load": f"{machine.cpu}, {machine.cores} cores, Linux {machine.kernel}, load {load}",
        "Versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
        "Seed": "" if run.seed is None else str(run.seed),
        "Began": run.started_at.isoformat(timespec="seconds"),
        "Lasted": shown(run.duration_s, "s"),
    }
    words = {
        measure.title: measure.explained
        for name, measure in MEASURES.items()
        if measure.explained and (result.distribution(name) is not None or result.figure(name) is not None)
    }
    inside = _facts({name: text for name, text in facts.items() if text})
    if words:
        inside += element("h2", "What the words mean") + _facts(words)
    return f"<details open>{element('summary', 'How it was measured')}{inside}</details>"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _facts(facts: dict[str, str]) -> str:
    inside = "".join(f"{element('dt', name)}{element('dd', text)}" for name, text in facts.items())
    return f'<dl class="facts">{inside}</dl>'
