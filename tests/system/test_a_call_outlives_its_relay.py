"""SIGKILL of the relay that carries a call: the call goes on, and the gap is printed."""

from collections.abc import Callable

from tests.support.fabric import running_fabric
from tests.support.live_caller import calling
from tests.support.metrics import read_metrics


async def test_the_call_goes_on_when_its_relay_is_killed(show: Callable[[str], None]) -> None:
    with running_fabric("--relays", "2", "--transceivers", "2", "--workers", "1") as fabric:
        async with calling(fabric) as caller:
            await caller.until(lambda: len(caller.heard) >= 50, "a second of audio")
            relays = fabric.processes("relay")
            received = [read_metrics(relay)["fabric_relay_client_datagrams_received_total"] for relay in relays]
            carrier = relays[0] if received[0] > received[1] else relays[1]
            heard = len(caller.heard)
            fabric.kill(carrier)
            # Twice a second: once through the survivor, once more after the replacement has joined the port.
            await caller.until(lambda: len(caller.heard) >= heard + 150, "audio after the relay's death")
            await caller.stop_speaking()
            arrivals = [audio.at for audio in caller.client.audio]
            gap_s = max(
                after - before for before, after in zip(arrivals[heard - 5 :], arrivals[heard - 4 :], strict=False)
            )
            lost = caller.frames_sent - len(caller.heard)
            show(f"relay killed: longest gap {gap_s * 1000:.0f} ms, {lost} of {caller.frames_sent} frames lost")
            assert caller.client.dtls is not None
            assert not caller.client.dtls.closed_by_remote
            # Without flow sync the call would be mute until the client's next check, up to 2.5 s later.
            assert lost < 50
