"""What a call was measured to cost; each figure with the measurement that it comes from (figures.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import yaml


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


def load_figures() -> Mapping[str, Figure]:
    """All of them, by name."""
    content = yaml.safe_load(files("offhook.sizing").joinpath("figures.yaml").read_text())
    return {name: Figure(name=name, **fields) for name, fields in content.items()}
