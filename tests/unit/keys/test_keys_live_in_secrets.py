"""`offhook keys` on Secrets, against a server that keeps them as Kubernetes does: versions, conflicts, refusals."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from typer.testing import CliRunner, Result

from offhook.cli.main import app

ENSURE = ("ensure", "--secret", "routes", "--api-secret", "api")
ROTATE = ("rotate", "--secret", "routes", "--propagation-s", "0")


class Secrets:
    """The Secrets of a namespace.

    Attributes:
        refusal: a status that every request gets, if there is one.
        meddling: somebody else writes each Secret right after it was read.
    """

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.refusal: int | None = None
        self.meddling = False
        self._version = 0

    def application(self) -> web.Application:
        routes = web.Application(middlewares=[self._refuse])
        one, all_of_them = "/api/v1/namespaces/voice/secrets/{name}", "/api/v1/namespaces/voice/secrets"
        routes.router.add_post(all_of_them, self._create)
        routes.router.add_get(one, self._read)
        routes.router.add_patch(one, self._patch)
        routes.router.add_delete(one, self._delete)
        return routes

    def file(self, secret: str, name: str) -> str:
        """What a file of a Secret holds."""
        return base64.b64decode(self.stored[secret]["data"][name]).decode()

    def routing_keys(self) -> dict[str, bool]:
        """Ids of the routing keys, and whether they mint."""
        keys = json.loads(self.file("routes", "keys.json"))["configurations"]
        return {key["id"]: key.get("mint", len(keys) == 1) for key in keys}

    @web.middleware
    async def _refuse(self, request: web.Request, handler: Any) -> web.StreamResponse:  # noqa: ANN401 - aiohttp's own type
        if self.refusal is not None:
            return _status(self.refusal)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        name = body["metadata"]["name"]
        if name in self.stored:
            return _status(409)
        self._write(name, body)
        return web.json_response(self.stored[name], status=201)

    async def _read(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.stored:
            return _status(404)
        answer = web.json_response(self.stored[name])
        if self.meddling:
            self._write(name, self.stored[name])
        return answer

    async def _patch(self, request: web.Request) -> web.Response:
        name, change = request.match_info["name"], await request.json()
        held = self.stored[name]
        if change["metadata"]["resourceVersion"] != held["metadata"]["resourceVersion"]:
            return _status(409)
        self._write(name, {**held, "data": {**held["data"], **change["data"]}})
        return web.json_response(self.stored[name])

    async def _delete(self, request: web.Request) -> web.Response:
        gone = self.stored.pop(request.match_info["name"], None)
        return _status(404) if gone is None else _status(200)

    def _write(self, name: str, body: dict[str, Any]) -> None:
        self._version += 1
        self.stored[name] = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}}


def _status(code: int) -> web.Response:
    return web.json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "code": code}, status=code)


@pytest.fixture
async def secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Secrets]:
    server = Secrets()
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    monkeypatch.setenv("POD_NAMESPACE", "voice")
    yield server
    await runner.cleanup()


async def keys(*arguments: str) -> Result:
    """`offhook keys`, beside the server."""
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["keys", *arguments]))


async def test_keys_are_made_once_and_stay_as_they_are(secrets: Secrets) -> None:
    made = await keys(*ENSURE)
    assert (made.exit_code, made.stdout) == (0, "Secret routes: made\nSecret api: made\n")
    assert secrets.routing_keys() == {"A": True}
    assert secrets.file("api", "api_keys").startswith("sk-")
    assert json.loads(secrets.file("api", "client_secret_keys.json"))["configurations"]
    before = dict(secrets.stored)
    again = await keys(*ENSURE)
    assert (again.exit_code, again.stdout) == (0, "Secret routes: there already\nSecret api: there already\n")
    assert secrets.stored == before
    for file in ("api_keys", "client_secret_keys.json"):
        assert secrets.file("api", file) not in made.output + again.output


async def test_a_rotation_mints_with_a_new_key_and_retires_the_one_before_the_last(secrets: Secrets) -> None:
    await keys(*ENSURE)
    assert (await keys(*ROTATE)).exit_code == 0
    assert secrets.routing_keys() == {"A": False, "B": True}
    assert (await keys(*ROTATE)).exit_code == 0
    assert secrets.routing_keys() == {"B": False, "C": True}


async def test_a_key_that_was_just_retired_leaves_its_id_to_nobody(secrets: Secrets) -> None:
    await keys(*ENSURE)
    held_before = set(secrets.routing_keys())
    for _ in range(4):
        assert (await keys(*ROTATE)).exit_code == 0
        retired = held_before - set(secrets.routing_keys())
        (minting,) = (key for key, mints in secrets.routing_keys().items() if mints)
        assert minting not in retired | held_before
        held_before = set(secrets.routing_keys())


async def test_what_somebody_else_has_written_meanwhile_is_not_overwritten(secrets: Secrets) -> None:
    await keys(*ENSURE)
    secrets.meddling = True
    before = secrets.file("routes", "keys.json")
    done = await keys(*ROTATE)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "written by somebody else" in done.stderr
    assert secrets.file("routes", "keys.json") == before


@pytest.mark.parametrize("command", [ENSURE, ROTATE, ("delete", "--secret", "routes")])
async def test_a_refusal_is_one_line_and_changes_nothing(secrets: Secrets, command: tuple[str, ...]) -> None:
    await keys(*ENSURE)
    before = dict(secrets.stored)
    secrets.refusal = 403
    done = await keys(*command)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "the API server says 403" in done.stderr
    assert secrets.stored == before


async def test_what_is_not_there_cannot_be_rotated(secrets: Secrets) -> None:
    done = await keys(*ROTATE)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "'offhook keys ensure' first" in done.stderr


async def test_deleting_leaves_nothing_and_may_be_done_twice(secrets: Secrets) -> None:
    await keys(*ENSURE)
    command = ("delete", "--secret", "routes", "--api-secret", "api")
    assert (await keys(*command)).stdout == "Secret routes: removed\nSecret api: removed\n"
    assert secrets.stored == {}
    assert (await keys(*command)).stdout == "Secret routes: not there\nSecret api: not there\n"
