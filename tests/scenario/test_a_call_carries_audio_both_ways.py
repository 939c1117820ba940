"""One call over an undisturbed network, for each way that clients negotiate."""

import pytest

from tests.support.transceiver_scene import TransceiverScene
from tests.support.webrtc_client import ClientOptions


@pytest.mark.parametrize("setup", ["actpass", "active", "passive"])
@pytest.mark.parametrize("profile", [b"SRTP_AEAD_AES_128_GCM", b"SRTP_AEAD_AES_256_GCM", b"SRTP_AES128_CM_SHA1_80"])
def test_audio_is_echoed_with_every_setup_and_srtp_profile(setup: str, profile: bytes) -> None:
    scene = TransceiverScene()
    caller = scene.connect(ClientOptions(setup=setup, profiles=profile))
    sent = caller.speak(50)
    scene.run(0.1)

    assert caller.client.dtls is not None
    assert caller.client.dtls.profile == profile
    assert [frame.payload for frame in caller.listener.audio_frames] == sent
    assert [packet.payload for packet in caller.client.audio] == sent
    assert scene.drops == {}
