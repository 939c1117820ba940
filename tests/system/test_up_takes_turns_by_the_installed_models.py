"""`offhook up` gives its transceivers the models that `offhook models fetch` has brought."""

import pytest

from tests.support.fabric import Fabric
from tests.support.metrics import read_metrics
from tests.support.turn_scene import model_file
from transceiver.turns.turns import SILERO_FILE, SMART_TURN_FILE


@pytest.mark.system
def test_every_transceiver_listens_with_them(fabric: Fabric) -> None:
    model_file(SILERO_FILE)
    model_file(SMART_TURN_FILE)
    for transceiver in fabric.processes("transceiver"):
        metrics = read_metrics(transceiver)
        assert metrics['fabric_transceiver_turns_speech_detector{detector="silero"}'] == 1
        assert metrics['fabric_transceiver_turns_end_of_turn{detector="smart_turn"}'] == 1
