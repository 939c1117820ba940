"""The JSON schema of results, as `docs/bench-result.schema.json` holds it.

`python -m bench.report.schema` writes that file anew.
"""

import json
from pathlib import Path
from typing import Final

from bench.report.model import Result

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "bench-result.schema.json"


def schema() -> str:
    """The schema's text."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Result.model_json_schema()}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(schema(), encoding="utf-8")
