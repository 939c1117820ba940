"""What a call was measured to cost; each figure with the measurement that it comes from.

results/*.json   what benchmarks have written, as they wrote it (measured.py says what is read of it)
figures.yaml     what every figure is, and those that no benchmark writes in such a file
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

import yaml

from offhook.sizing.measured import costs


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured cost.

    Attributes:
        name: as figures.yaml has it.
        text: what it is.
        value: in `unit`.
        measured: where, how and on what.
    """

    name: str
    text: str
    value: float
    unit: str
    measured: str


def load_figures(results: Sequence[tuple[str, str]] = ()) -> Mapping[str, Figure]:
    """All of them, by name.

    Args:
        results: where they lie and what they hold: results of benchmarks to go by instead of those that are kept here.

    Raises:
        NotMeasured: one of the results is no such thing.
    """
    here = files("offhook.sizing")
    kept = [
        (f"offhook/sizing/results/{each.name}", each.read_text())
        for each in sorted(here.joinpath("results").iterdir(), key=lambda each: each.name)
    ]
    content = yaml.safe_load(here.joinpath("figures.yaml").read_text())
    figures = {name: Figure(name=name, **{"value": 0.0, "measured": "", **fields}) for name, fields in content.items()}
    for place, result in (*kept, *results):
        found, how = costs(result)
        for name, value in found.items():
            figures[name] = replace(figures[name], value=value, measured=f"{place}: {how}")
    return figures
