"""Call ids carry their owner: hang-up and WHIP work at whichever transceiver the request meets."""

import aiohttp
import pytest

from tests.support.fabric import Fabric
from tests.support.live_caller import LiveCaller, calling, error_code
from tests.support.webrtc_client import ClientOptions

FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


@pytest.mark.parametrize(("placed_at", "asked_at"), [(0, 0), (0, 1), (1, 0)])
async def test_a_call_is_hung_up_through_any_of_them(fabric: Fabric, placed_at: int, asked_at: int) -> None:
    transceivers = [process["http"] for process in fabric.processes("transceiver")]
    async with calling(fabric, base_url=transceivers[placed_at]) as caller:
        path = f"/v1/realtime/calls/{caller.call_id}/hangup"
        # As the official SDKs send it: a JSON content type and no body.
        json_type = {"Content-Type": "application/json"}
        status, _, _ = await caller.request("POST", path, base_url=transceivers[asked_at], headers=json_type)
        assert status == 200
        dtls = caller.client.dtls
        assert dtls is not None
        await caller.until(lambda: dtls.closed_by_remote, "close_notify")
        status, body, _ = await caller.request("POST", path, base_url=transceivers[asked_at])
        assert (status, error_code(body)) == (404, "call_id_not_found")


async def test_another_key_cannot_hang_up(fabric: Fabric) -> None:
    async with calling(fabric) as caller:
        for process in fabric.processes("transceiver"):
            status, _, _ = await caller.request(
                "POST",
                f"/v1/realtime/calls/{caller.call_id}/hangup",
                base_url=process["http"],
                headers={"Authorization": "Bearer wrong"},
            )
            assert status == 401
        heard = len(caller.heard)
        await caller.until(lambda: len(caller.heard) > heard + 5, "the call goes on")


async def test_a_server_listens_through_any_of_them(fabric: Fabric) -> None:
    owner, other = (process["http"] for process in fabric.processes("transceiver"))
    async with LiveCaller(fabric, ClientOptions(data_channel=True)) as caller, aiohttp.ClientSession() as session:
        await caller.call(base_url=owner)
        query = f"/v1/realtime?call_id={caller.call_id}"
        # One on a server, and one in a browser.
        server = await session.ws_connect(other + query, headers=fabric.headers)
        protocols = ("realtime", f"openai-insecure-api-key.{fabric.api_key}")
        browser = await session.ws_connect(other + query + "&starting_after=0", protocols=protocols)
        assert (await server.receive_json())["type"] == "session.created"
        assert (await browser.receive_json())["type"] == "session.created"
        assert (server.protocol, browser.protocol) == (None, "realtime")
        await browser.send_json({"type": "session.update", "session": {"type": "realtime", "instructions": "Hush."}})
        assert (await server.receive_json())["session"]["instructions"] == "Hush."
        assert (await browser.receive_json())["sequence_number"] == 1
        await browser.close()
        status, _, _ = await caller.request("POST", f"/v1/realtime/calls/{caller.call_id}/hangup", base_url=other)
        assert status == 200
        assert (await server.receive()).type is aiohttp.WSMsgType.CLOSE
        assert server.close_code == 1000
        with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
            await session.ws_connect(other + query, headers=fabric.headers)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            await session.ws_connect(other + query)


@pytest.mark.parametrize(("placed_at", "asked_at"), [(0, 0), (0, 1)])
async def test_whip_places_restarts_and_ends_a_call(fabric: Fabric, placed_at: int, asked_at: int) -> None:
    first, other = (fabric.processes("transceiver")[index]["http"] for index in (placed_at, asked_at))
    async with LiveCaller(fabric) as caller:
        await caller.call(path="/whip?model=echo", base_url=first)
        assert caller.location.startswith("/whip/rtc_")
        caller.speak()
        await caller.until(lambda: len(caller.heard) >= 5, "echoes")

        ice = caller.client.ice
        trickled = f"a=ice-ufrag:{ice.ufrag}\r\na=ice-pwd:{ice.pwd}\r\na=end-of-candidates\r\n"
        status, _, _ = await caller.request("PATCH", caller.location, base_url=other, headers=FRAGMENT, body=trickled)
        assert status == 428
        status, _, _ = await caller.request(
            "PATCH", caller.location, base_url=other, headers={**FRAGMENT, "If-Match": '"0"'}, body=trickled
        )
        assert status == 412

        caller.client.restart_ice()
        ice = caller.client.ice
        restart = f"a=ice-ufrag:{ice.ufrag}\r\na=ice-pwd:{ice.pwd}\r\n"
        status, answer, headers = await caller.request(
            "PATCH", caller.location, base_url=other, headers={**FRAGMENT, "If-Match": "*"}, body=restart
        )
        assert status == 200
        etag = headers["ETag"]
        caller.accept_fragment(answer)
        await caller.until(lambda: ice.connected, "ICE with the new credentials")
        heard = len(caller.heard)
        await caller.until(lambda: len(caller.heard) > heard + 5, "audio after the restart")

        trickled = f"{restart}a=end-of-candidates\r\n"
        status, _, _ = await caller.request(
            "PATCH", caller.location, base_url=other, headers={**FRAGMENT, "If-Match": etag}, body=trickled
        )
        assert status == 204

        status, _, _ = await caller.request("DELETE", caller.location, base_url=other)
        assert status == 200
        dtls = caller.client.dtls
        assert dtls is not None
        await caller.until(lambda: dtls.closed_by_remote, "close_notify")
        status, _, _ = await caller.request("DELETE", caller.location, base_url=other)
        assert status == 404
