"""`model_aliases`: a client that asks for one of OpenAI's models gets one that is here."""

from pathlib import Path

import aiohttp
import pytest

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

from tests.support.keys import SECRETS, place, post
from tests.support.socket_scene import MODEL, connected, parrot_house


@pytest.mark.parametrize("name", ["gpt-realtime", "gpt-realtime-2.1", "gpt-4o-mini-realtime-preview", "parrot"])
async def test_openais_names_stand_for_the_default_model(tmp_path: Path, name: str) -> None:
    async with parrot_house(tmp_path, default_model=MODEL) as house:
        async with connected(house, f"model={name}") as client:
            assert (await client.event("session.created"))["session"]["model"] == MODEL
        assert (await place(house.http, query=f"?model={name}"))[0] == 201
        _, minted, _ = await post(house.http + SECRETS, {"session": {"type": "realtime", "model": name}})
        assert minted["session"]["model"] == MODEL


async def test_a_transcription_model_is_no_reason_to_refuse(tmp_path: Path) -> None:
    query = "intent=transcription&model=gpt-4o-transcribe"
    async with parrot_house(tmp_path) as house, connected(house, query) as client:
        assert (await client.event("session.created"))["session"]["type"] == "transcription"


async def test_an_operator_says_which_name_stands_for_what(tmp_path: Path) -> None:
    aliases = {"bird*": MODEL, "echo": "loopback"}
    async with parrot_house(tmp_path, default_model="loopback", model_aliases=aliases) as house:
        async with connected(house, "model=bird-2") as client:
            assert (await client.event("session.created"))["session"]["model"] == MODEL
        assert (await place(house.http, query="?model=echo"))[0] == 201
        for name in ("gpt-realtime", "songbird", "BIRD"):
            assert await place(house.http, query=f"?model={name}") == (404, "model_not_found")
        async with (
            aiohttp.ClientSession(headers=house.headers) as session,
            session.get(f"{house.http}/v1/models") as answer,
        ):
            assert {each["id"] for each in (await answer.json())["data"]} == {MODEL, "loopback"}
