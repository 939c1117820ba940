"""Whoever retires a routing key can see beforehand which calls that ends, and reads it in the log afterwards."""

import asyncio
import json
from pathlib import Path

from structlog.testing import capture_logs

from tests.support.whole_transceiver import config, whole_transceiver


async def test_a_transceiver_counts_its_calls_by_key_and_says_how_many_a_retired_one_had(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    async with whole_transceiver(config(tmp_path), tmp_path) as made:
        (old,) = json.loads(keys.read_text())["configurations"]
        for _ in range(2):
            assert (await made.place())[0] == 201
        assert f'fabric_transceiver_sessions_by_key{{key="{old["id"]}"}} 2.0' in await made.metrics()
        with capture_logs() as logs:
            keys.write_text(json.dumps({"configurations": [{**old, "id": "Z"}]}))
            async with asyncio.timeout(20):
                while not any(line.get("key") == old["id"] for line in logs):
                    await asyncio.sleep(0.02)
        (warning,) = [line for line in logs if line.get("key") == old["id"]]
        assert (warning["log_level"], warning["calls"]) == ("warning", 2)
