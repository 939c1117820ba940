"""A Kubernetes API server as far as a list and a watch go: it speaks the protocol, and breaks it when told to.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import yaml
from aiohttp import web

from tests.support.udp_peer import until

Object = dict[str, Any]


class KubernetesApi:
    """One collection: what is listed, and what watches of it are told.

    Attributes:
        listed: how often the list was read.
        watched: the resource version that each watch began at.
        selections: the selector of each request.
        refusals: statuses that the next requests get instead of an answer.
        compacted: watches from before this version are told that they are gone.
    """

    def __init__(self) -> None:
        self.listed = 0
        self.watched: list[int] = []
        self.selections: list[str] = []
        self.refusals: deque[int] = deque()
        self.compacted = 0
        self._objects: dict[str, Object] = {}
        self._version = 1000
        self._history: list[tuple[int, bytes]] = []
        self._watches: set[web.StreamResponse] = set()
        self._app = web.Application()
        self._app.router.add_get("/{path:.*}", self._answer)
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self) -> None:
        """Listen; at the same port as before, if it has been."""
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every connection and listen no more."""
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    def kubeconfig(self) -> str:
        """What leads a client here."""
        return yaml.safe_dump(
            {
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self._port}"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )

    async def put(self, name: str, body: Mapping[str, Any]) -> None:
        """Create an object, or change it."""
        kind = "MODIFIED" if name in self._objects else "ADDED"
        self._version += 1
        self._objects[name] = {"metadata": {"name": name, "resourceVersion": str(self._version)}, **body}
        await self._tell(kind, self._objects[name])

    async def delete(self, name: str) -> None:
        """Remove an object."""
        self._version += 1
        gone = self._objects.pop(name)
        await self._tell("DELETED", {**gone, "metadata": {"name": name, "resourceVersion": str(self._version)}})

    async def bookmark(self) -> None:
        """Tell watches where they are, far from where anything has changed."""
        self._version += 1000
        await self._tell("BOOKMARK", {"metadata": {"resourceVersion": str(self._version), "creationTimestamp": None}})

    async def say(self, line: bytes) -> None:
        """Send this to every watch, whatever it is."""
        await self.watching()
        await self._write(line)

    async def watching(self) -> None:
        """Returns while there is a watch."""
        await until(lambda: bool(self._watches), "a watch is open")

    async def end(self) -> None:
        """End every watch as a server does when its time is over."""
        await self.watching()
        for watch in list(self._watches):
            with contextlib.suppress(ConnectionError):
                await watch.write_eof()
            self._watches.discard(watch)

    def cut(self) -> None:
        """Break the connection of every watch."""
        for watch in list(self._watches):
            transport = watch._req.transport if watch._req is not None else None
            if transport is not None:
                transport.abort()
        self._watches.clear()

    @property
    def version(self) -> int:
        """The newest resource version."""
        return self._version

    async def _tell(self, kind: str, changed: Object) -> None:
        line = json.dumps({"type": kind, "object": changed}).encode() + b"\n"
        self._history.append((self._version, line))
        await self._write(line)

    async def _write(self, line: bytes) -> None:
        for watch in list(self._watches):
            try:
                await watch.write(line)
            except ConnectionError:  # the client has gone
                self._watches.discard(watch)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.selections.append(request.query.get("labelSelector") or request.query.get("fieldSelector") or "")
        if self.refusals:
            return _status(self.refusals.popleft())
        if request.query.get("watch") == "true":
            return await self._watch(request)
        self.listed += 1
        return web.json_response(
            {"metadata": {"resourceVersion": str(self._version)}, "items": list(self._objects.values())}
        )

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        self.watched.append(since)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if since < self.compacted:
            gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "old"}}
            await response.write(json.dumps(gone).encode() + b"\n")
            return response
        for version, line in self._history:
            if version > since:
                await response.write(line)
        self._watches.add(response)
        while response in self._watches:
            await asyncio.sleep(0.005)
        return response


def _status(code: int) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "reason": "Refused", "message": "no"}, status=code)


@asynccontextmanager
async def kubernetes_api() -> AsyncIterator[KubernetesApi]:
    """A server that listens."""
    server = KubernetesApi()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
