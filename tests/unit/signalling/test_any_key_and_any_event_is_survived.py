"""Arbitrary keys and arbitrary events of the beta: nothing raises, nothing that we did not seal opens."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.service.config import new_key_file
from transceiver.realtime.beta.events import present_event
from transceiver.realtime.errors import EventError
from transceiver.signalling.access.client_secrets import ClientSecrets, ClientSecretTooLarge

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> ClientSecrets:
    path: Path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.write_text(json.dumps(new_key_file()))
    return ClientSecrets(path, lambda: 1000.0)


@given(value=st.text(max_size=200) | st.text(alphabet="AQgwz09-_=", max_size=200).map(lambda text: "ek_" + text))
def test_what_we_did_not_seal_does_not_open(secrets: ClientSecrets, value: str) -> None:
    assert secrets.open(value) is None


@given(session=st.dictionaries(st.text(max_size=12), JSON, max_size=5), lifetime_s=st.integers(10, 7200))
def test_what_we_sealed_opens_as_it_was_and_not_when_altered(
    secrets: ClientSecrets, session: dict[str, Any], lifetime_s: int
) -> None:
    try:
        value, minted = secrets.mint("api-key", session, lifetime_s)
    except ClientSecretTooLarge:
        return
    opened = secrets.open(value)
    assert opened == minted
    assert opened is not None
    assert (opened.session, opened.expires_at) == (session, 1000 + lifetime_s)
    middle = len(value) // 2
    other = "A" if value[middle] != "A" else "B"
    assert secrets.open(value[:middle] + other + value[middle + 1 :]) is None
    assert secrets.open(value[:-5]) is None


SESSION = st.dictionaries(
    st.sampled_from(["modalities", "input_audio_format", "voice", "turn_detection", "tools", "x"]), JSON, max_size=4
)
RESPONSE = st.dictionaries(
    st.sampled_from(["modalities", "voice", "output_audio_format", "audio", "input", "max_response_output_tokens"]),
    JSON | st.sampled_from(["pcm16", ["audio", "text"]]),
    max_size=5,
)
ITEM = st.fixed_dictionaries(
    {},
    optional={"role": JSON | st.just("assistant"), "content": JSON | st.lists(st.dictionaries(st.just("type"), JSON))},
)


@given(
    event=st.fixed_dictionaries(
        {"type": st.sampled_from(["session.update", "transcription_session.update", "response.create", "x"]) | JSON},
        optional={"session": SESSION | JSON, "response": RESPONSE | JSON, "item": ITEM | JSON},
    )
    | st.fixed_dictionaries({"type": st.just("conversation.item.create"), "item": ITEM | JSON})
)
def test_any_event_of_the_beta_means_something_or_is_refused(event: dict[str, Any]) -> None:
    with contextlib.suppress(EventError):
        json.dumps(present_event(event))
