"""The table of docs/interop.md: one row for each client, written or checked by the test that ran it.

A row is written when OFFHOOK_WRITE_INTEROP is set (`make interop-table`), and otherwise compared with what is there.
Versions that the distribution chooses are not compared.
"""

import os
from pathlib import Path
from typing import NamedTuple, Self

DOCUMENT = Path(__file__).parents[2] / "docs" / "interop.md"
_HEADER = "| client | version | audio | data channels | ICE restart | server hangs up | client hangs up | note |"
_YES, _NO = "✓", "-"


class Row(NamedTuple):
    """What one client does."""

    client: str
    version: str
    audio: bool
    data_channels: bool
    ice_restart: bool
    server_hangs_up: bool
    client_hangs_up: bool
    note: str

    def __str__(self) -> str:
        marks = (_YES if cell else _NO for cell in self[2:7])
        return f"| {' | '.join((self.client, self.version, *marks, self.note))} |"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Reads a line that `str` has written."""
        client, version, *marks, note = (cell.strip() for cell in line.split("|")[1:-1])
        audio, data_channels, ice_restart, server_hangs_up, client_hangs_up = (mark == _YES for mark in marks)
        return cls(client, version, audio, data_channels, ice_restart, server_hangs_up, client_hangs_up, note)


def settle(row: Row, *, compare_version: bool) -> None:
    """Writes the row or, by default, fails unless the document holds it."""
    text = DOCUMENT.read_text()
    before, header, rest = text.partition(_HEADER)
    assert header, f"{DOCUMENT.name} has lost its table"
    rule, *lines = rest.strip("\n").split("\n")
    end = next((index for index, line in enumerate(lines) if not line.startswith("|")), len(lines))
    rows = {found.client: found for found in map(Row.parse, lines[:end])}
    if os.environ.get("OFFHOOK_WRITE_INTEROP"):
        rows[row.client] = row
        ordered = (str(rows[client]) for client in sorted(rows, key=str.casefold))
        table = "\n".join((header, rule, *ordered, *lines[end:]))
        DOCUMENT.write_text(f"{before}{table}\n")
        return
    found = rows.get(row.client)
    if found is not None and not compare_version:
        found = found._replace(version=row.version)
    assert found == row, f"{DOCUMENT.name} says otherwise: run make interop-table"
