"""The level gate: what passes it, what does not, and that nothing is lost by it."""

from array import array
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.turn_scene import Caller, click, mixed, model_file, noise, silence, speech
from transceiver.turns.interface import ServerVad
from transceiver.turns.listening import InlineEars
from transceiver.turns.turns import SILERO_FILE


class Counting:
    """A speech model that says no and keeps what it heard."""

    def __init__(self) -> None:
        self.heard = bytearray()

    def new_memory(self) -> object:
        return object()

    def probabilities(self, memories: Sequence[Any], windows: Sequence[bytes]) -> list[float]:
        self.heard += b"".join(windows)
        return [0.0] * len(windows)


def listening() -> tuple[Caller, Counting]:
    model = Counting()
    return Caller(ServerVad(), ears=InlineEars(model)), model


@pytest.mark.parametrize("quiet", [silence(20), noise(20, -65), noise(20, -48)], ids=["digital", "quiet", "fan"])
def test_steady_noise_shuts_the_gate(quiet: bytes) -> None:
    caller, model = listening()
    caller.says(quiet[: len(quiet) // 4])
    model.heard.clear()
    caller.says(quiet[len(quiet) // 4 :])
    assert len(model.heard) == 0


def test_a_client_that_measures_silence_is_not_measured_again() -> None:
    caller, model = listening()
    caller.says(silence(5), level_dbov=127)
    assert len(model.heard) == 0
    assert caller.counters.windows == 156


def test_the_gate_opens_by_the_clients_level_alone() -> None:
    caller, model = listening()
    caller.says(noise(2, -65), level_dbov=80)
    caller.says(noise(1, -65), level_dbov=30)
    assert len(model.heard) > 32_000


def test_what_came_before_the_gate_opened_is_heard_too() -> None:
    before, sound = noise(3, -65), noise(0.5, -25)
    caller, model = listening()
    caller.says(before + sound)
    heard = bytes(model.heard)
    start = (before + sound).index(heard)
    assert (len(before) - start) / 32_000 > 0.45
    assert heard in before + sound


def test_audio_that_the_model_hears_twice_over_is_continuous() -> None:
    """A gate that shuts for less than the pre-roll leaves no hole in what the model hears."""
    track = noise(3, -70) + noise(0.1, -25) + noise(0.8, -70, seed=2) + noise(0.1, -25, seed=3) + noise(0.2, -70)
    caller, model = listening()
    caller.says(track)
    assert bytes(model.heard) in track


@pytest.mark.parametrize("claims", [127, 90])
def test_a_client_that_calls_speech_silence_is_found_out(claims: int) -> None:
    from transceiver.turns.silero import SileroVad  # noqa: PLC0415 - an extra

    starts = []
    for level_dbov in (None, claims):
        caller = Caller(ServerVad(), ears=InlineEars(SileroVad(model_file(SILERO_FILE))))
        caller.says(noise(2, -65) + speech() + noise(1, -65), level_dbov=level_dbov)
        assert caller.heard.names == ["started", "stopped"]
        assert caller.counters.levels_disbelieved == (level_dbov is not None)
        starts.append(caller.heard.events[0][1])
    assert starts[0] == starts[1]


@pytest.mark.parametrize("softer_by", [1, 16, 32])
def test_the_gate_costs_no_part_of_a_soft_voice(softer_by: int) -> None:
    """A client that claims to be loud holds the gate open: the same call without a gate.

    The model then remembers more of the room, which moves its judgement by a window or three, either way.
    """
    from transceiver.turns.silero import SileroVad  # noqa: PLC0415 - an extra

    voice = array("h", (sample // softer_by for sample in array("h", speech()))).tobytes()
    audio = noise(2, -70) + mixed(voice, noise(len(voice) / 32_000, -70)) + noise(2, -70)
    heard = []
    for level_dbov in (None, 0):
        caller = Caller(ServerVad(), ears=InlineEars(SileroVad(model_file(SILERO_FILE))))
        caller.says(audio, level_dbov=level_dbov)
        heard.append(caller.heard.events)
    gated, ungated = heard
    assert [name for name, _, _ in gated] == [name for name, _, _ in ungated]
    assert gated
    for (_, gated_us, _), (_, ungated_us, _) in zip(gated, ungated, strict=True):
        assert abs(gated_us - ungated_us) <= 100_000


def test_a_click_opens_the_gate_for_half_a_second_only() -> None:
    caller, model = listening()
    caller.says(noise(2, -65) + click() + noise(4, -65))
    assert len(model.heard) / 32_000 < 1.2
