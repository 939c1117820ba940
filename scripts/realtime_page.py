"""Writes the tables of docs/realtime-api.md: every endpoint and event of the Realtime API, and the tests that prove it.

Tests say with `@pytest.mark.realtime("response.create", ...)` what they prove. The events are those that openai-python
has types for, so a new version of it brings its new events into the tables. With --check it writes nothing, and fails
where the page is stale, where a name is unknown, and where something has neither a test nor a reason.
"""

import argparse
import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from openai.types.realtime import realtime_client_event, realtime_server_event

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "realtime-api.md"
BEGIN, END = "<!-- tables: made by scripts/realtime_page.py -->", "<!-- end of tables -->"

ENDPOINTS = (
    "POST /v1/realtime/calls",
    "POST /v1/realtime/calls/{call_id}/hangup",
    "POST /v1/realtime/calls/{call_id}/accept",
    "POST /v1/realtime/calls/{call_id}/reject",
    "POST /v1/realtime/calls/{call_id}/refer",
    "POST /v1/realtime/client_secrets",
    "POST /v1/realtime/translations/client_secrets",
    "POST /v1/realtime",
    "POST /v1/realtime/sessions",
    "POST /v1/realtime/transcription_sessions",
    "GET /v1/realtime?model=",
    "GET /v1/realtime?intent=transcription",
    "GET /v1/realtime?call_id=",
    "GET /v1/models",
    "GET /v1/models/{model}",
)
SESSIONS = (
    "transcription sessions",
    "image input",
    "tools of MCP servers",
    "approval of MCP calls",
    "metadata of responses",
    "out-of-band responses",
    "expiry of sessions",
)
_SIP = "SIP calls only, which the fabric does not take yet"
REASONS: Mapping[str, str] = {
    "POST /v1/realtime/calls/{call_id}/accept": f"refused: {_SIP}",
    "POST /v1/realtime/calls/{call_id}/reject": f"refused: {_SIP}",
    "POST /v1/realtime/calls/{call_id}/refer": f"refused: {_SIP}",
    "POST /v1/realtime/translations/client_secrets": "not served: translation sessions are a protocol of their own",
    "conversation.item.created": "beta's name, sent only to clients that ask for the beta",
    "conversation.item.input_audio_transcription.segment": "never sent: no model of the fabric tells speakers apart",
    "input_audio_buffer.dtmf_event_received": _SIP,
}


def events_of(union: object) -> list[str]:
    """The types of a union of the SDK's event models, in its order."""
    models = get_args(get_args(union)[0])
    return sorted(get_args(model.model_fields["type"].annotation)[0] for model in models)


def marks() -> Iterator[tuple[str, str, str]]:
    """What each marked test proves: name, file, test."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if "node_modules" in path.parts or "realtime(" not in (text := path.read_text()):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for name in _names(node):
                    yield name, str(path.relative_to(ROOT)), node.name


def _names(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.realtime":
            yield from (
                each.value for each in mark.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )


def tables() -> tuple[str, list[str]]:
    """The tables, and what is wrong."""
    proofs: dict[str, list[str]] = defaultdict(list)
    for name, path, test in marks():
        proofs[name].append(f"[{test.removeprefix('test_').replace('_', ' ')}](../{path})")
    sections = {
        "Endpoints": ENDPOINTS,
        "Client events": events_of(realtime_client_event.RealtimeClientEvent),
        "Server events": events_of(realtime_server_event.RealtimeServerEvent),
        "What sessions can": SESSIONS,
    }
    known = {name for names in sections.values() for name in names}
    faults = [f"a test is marked with '{name}', which is nothing known" for name in proofs if name not in known]
    lines = []
    for title, names in sections.items():
        lines += [f"### {title}", "", "| | support | shown by |", "|---|---|---|"]
        for name in names:
            shown_by = ", ".join(sorted(set(proofs.get(name, ()))))
            lines.append(f"| `{name}` | {REASONS.get(name, 'yes')} | {shown_by} |")
            if not shown_by and name not in REASONS:
                faults.append(f"'{name}' has neither a test nor a reason")
        lines.append("")
    return "\n".join(lines), faults


def main() -> int:
    """Writes the page, or checks it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is stale")
    check = parser.parse_args().check
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made, faults = tables()
    fresh = f"{before}{BEGIN}\n\n{made}{END}{after}"
    if not check:
        PAGE.write_text(fresh)
    elif fresh != text:
        faults.append(f"{PAGE.relative_to(ROOT)} is stale: run `make realtime-page`")
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
