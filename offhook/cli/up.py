"""`offhook up`: a whole fabric on this machine, ending with a URL to open."""

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from offhook.models.manifest import Part
from offhook.models.store import has_part
from offhook.service.lifecycle import write_ready_file
from offhook.up.bridges import BRIDGES, Bridge, Engine, is_bridge, read_bridge
from offhook.up.layout import Layout, Options, new_api_key
from offhook.up.ports import PortInUse, Reservation, reserve
from offhook.up.supervisor import StartFailed, Supervisor
from relay.engine.choice import native_engine_installed
from wire.address import Address, format_address, parse_address

COLOURS = {"relay": "cyan", "transceiver": "magenta", "worker": "green"}
WILDCARDS = ("0.0.0.0", "::")
REFERENCE_WORKERS = ("agent", "echo", "pcm-echo")


def up(
    http: Annotated[str, typer.Option(help="Address of the API and the demo page.", metavar="IP:PORT")] = (
        "127.0.0.1:8080"
    ),
    media: Annotated[str, typer.Option(help="Public UDP address of the relays.", metavar="IP:PORT")] = "127.0.0.1:3478",
    advertise: Annotated[
        str | None,
        typer.Option(help="The media address as clients reach it, if that is another one.", metavar="IP:PORT"),
    ] = None,
    relays: Annotated[int, typer.Option(min=1, max=32, help="Relay processes; they share the media port.")] = 2,
    transceivers: Annotated[int, typer.Option(min=1, max=32, help="Transceiver processes.")] = 2,
    workers: Annotated[int, typer.Option(min=0, max=32, help="Worker processes.")] = 1,
    worker: Annotated[
        str | None,
        typer.Option(
            help=f"Reference worker: {', '.join(REFERENCE_WORKERS)}; or {' or '.join(BRIDGES)}.",
            show_default="agent where its models are fetched",
        ),
    ] = None,
    bridge_url: Annotated[
        str,
        typer.Option(
            help="The engine behind a bridge: an OpenAI-compatible language model, or a Realtime server. "
            "For more settings: --worker bridge-cascade:FILE (docs/bridges.md).",
            metavar="URL",
        ),
    ] = "",
    bridge_model: Annotated[str, typer.Option(help="The model to ask it for.", metavar="NAME")] = "",
    bridge_key_env: Annotated[
        str, typer.Option(help="Environment variable that holds its API key.", metavar="VARIABLE")
    ] = "",
    engine: Annotated[
        str | None,
        typer.Option(help="Engine of the relays: native or python.", show_default="native where it is built"),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(help="Serve HTTPS with this certificate (PEM); clients elsewhere need it.", metavar="FILE"),
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).", metavar="FILE")] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write this JSON file once a call can be made.", metavar="FILE")
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "warning",
) -> None:
    """Start relays, transceivers and workers on this machine and keep them running until Ctrl-C.

    Set OFFHOOK_API_KEY to choose the API key; else a fresh one is made and printed.
    """
    if engine is None:
        engine = "native" if native_engine_installed() else "python"
        if engine == "python":
            typer.echo(
                "offhook up: the native data path is not built (no cargo?): relays and media ports run on Python",
                err=True,
            )
    if worker is None:
        worker = "agent" if has_part(Part.AGENT) else "echo"
        if worker == "echo" and workers:
            typer.echo(
                "offhook up: no model files, so the echo worker answers; 'offhook models fetch' gets them", err=True
            )
    problem = _problem(engine, worker, log_level) or _tls_problem(tls_cert, tls_key)
    if problem is not None:
        raise _usage(problem)
    try:
        bridge = _bridge(worker, Engine(bridge_url, bridge_model, bridge_key_env))
        http_address, media_address = parse_address(http), parse_address(media)
        advertised = parse_address(advertise) if advertise is not None else None
    except ValueError as error:
        raise _usage(str(error)) from None
    if advertised is None and media_address.host in WILDCARDS:
        raise _usage("--media on every interface needs --advertise IP:PORT, the address clients can reach")
    try:
        http_port = reserve(http_address, socket.SOCK_STREAM)
        media_port = reserve(media_address, socket.SOCK_DGRAM)
    except PortInUse as error:
        raise _usage(f"cannot use {error}; choose another with --http or --media") from None
    options = Options(
        http=http_port.address,
        media=[media_port.address],
        advertise=[advertised or media_port.address],
        relays=relays,
        transceivers=transceivers,
        workers=workers,
        worker=worker,
        engine=engine,
        api_key=os.environ.get("OFFHOOK_API_KEY") or new_api_key(),
        log_level=log_level,
        tls_certificate=tls_cert,
        tls_key=tls_key,
        bridge=bridge,
    )
    raise typer.Exit(asyncio.run(_Fabric(options, http_port, media_port, ready_file).run()))


def _problem(engine: str, worker: str, log_level: str) -> str | None:
    if engine not in ("native", "python"):
        return "--engine is native or python"
    if engine == "native" and not native_engine_installed():
        return "the native engine is not built here; install cargo and run 'make setup', or use --engine python"
    if worker not in REFERENCE_WORKERS and not is_bridge(worker):
        return f"--worker is one of: {', '.join((*REFERENCE_WORKERS, *BRIDGES))}"
    if worker == "agent" and not has_part(Part.AGENT):
        return "the agent's model files are missing; 'offhook models fetch' gets them, or use --worker echo"
    if log_level not in ("debug", "info", "warning", "error"):
        return "--log-level is debug, info, warning or error"
    return None


def _bridge(worker: str, engine: Engine) -> Bridge | None:
    """What is behind the worker where it is a bridge. Raises ValueError where that is not said well."""
    if not is_bridge(worker):
        if engine.fields():
            raise ValueError("--bridge-… goes with --worker bridge-cascade or bridge-realtime")
        return None
    bridge = read_bridge(worker, engine)
    if bridge.has_local_parts and not has_part(Part.AGENT):
        raise ValueError(
            "the bridge's ear and voice are local, and their model files are missing: 'offhook models fetch'"
        )
    return bridge


def _tls_problem(certificate: Path | None, key: Path | None) -> str | None:
    if (certificate is None) != (key is None):
        return "--tls-cert and --tls-key go together"
    missing = next((path for path in (certificate, key) if path is not None and not path.is_file()), None)
    return f"there is no file {missing}" if missing is not None else None


def _usage(problem: str) -> typer.Exit:
    typer.echo(f"offhook up: {problem}", err=True)
    return typer.Exit(2)


class _Fabric:
    """The running fabric and what the person sees of it."""

    def __init__(
        self, options: Options, http_port: Reservation, media_port: Reservation, ready_file: Path | None
    ) -> None:
        self._options = options
        self._http_port = http_port
        self._media_port = media_port
        self._ready_file = ready_file
        self._console = Console(highlight=False)

    async def run(self) -> int:
        """Runs until a signal comes. Returns the exit code."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        directory = Path(tempfile.mkdtemp(prefix="offhook-"))
        supervisor = Supervisor(
            Layout(directory, self._options).write(), print_line=self._print_line, changed=self._write_ready
        )
        self._supervisor = supervisor
        try:
            return await self._run_until(stop)
        finally:
            await supervisor.stop()
            if self._ready_file is not None:
                self._ready_file.unlink(missing_ok=True)
            shutil.rmtree(directory, ignore_errors=True)

    async def _run_until(self, stop: asyncio.Event) -> int:
        starting = asyncio.ensure_future(self._supervisor.start())
        stopped = asyncio.ensure_future(stop.wait())
        with self._console.status("Starting the fabric…"):
            await asyncio.wait([starting, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            return 0
        try:
            starting.result()
        except StartFailed as error:
            typer.echo(f"offhook up: {error}", err=True)
            return 1
        self._media_port.release()
        self._write_ready()
        self._print_welcome()
        await stopped
        self._console.print("Stopping…")
        return 0

    def _content(self) -> dict[str, object]:
        return {
            "http": self._base_url,
            "api_key": self._options.api_key,
            "media": [format_address(address) for address in self._options.advertise],
            "page": self._page_url,
            "processes": self._supervisor.entries(),
        }

    @property
    def _base_url(self) -> str:
        address = self._options.http
        if address.host in WILDCARDS:
            address = Address("127.0.0.1" if address.host == "0.0.0.0" else "::1", address.port)
        scheme = "http" if self._options.tls_certificate is None else "https"
        return f"{scheme}://{format_address(address)}"

    @property
    def _page_url(self) -> str:
        # In the fragment, so that the key is never sent to a server as part of a URL or written to its log.
        return f"{self._base_url}/#key={self._options.api_key}"

    def _write_ready(self) -> None:
        write_ready_file(self._ready_file, self._content())

    def _print_line(self, process_id: str, line: str) -> None:
        role = process_id.rsplit("-", 1)[0]
        self._console.print(Text.assemble((f"{process_id:>14} ", COLOURS[role]), Text.from_ansi(line)), soft_wrap=True)

    def _print_welcome(self) -> None:
        options = self._options
        from transceiver.media_port.choice import chosen

        media = ", ".join(format_address(address) for address in options.advertise)
        lines = (
            "",
            Text.assemble(("offhook is up. ", "bold green"), "Open this page and talk; Ctrl-C stops everything."),
            "",
            Text.assemble("  ", (self._page_url, "bold underline")),
            "",
            Text.assemble(("  API    ", "dim"), f"{self._base_url}/v1"),
            Text.assemble(("  Key    ", "dim"), options.api_key),
            Text.assemble(
                ("  Media  ", "dim"),
                f"{media} (UDP): {options.relays} relays, {options.engine} engine; {chosen('auto')} media port",
            ),
            Text.assemble(("  Model  ", "dim"), options.model),
            "",
        )
        for line in lines:
            # Never folded: a URL has to be one word for the terminal that makes it a link.
            self._console.print(line, soft_wrap=True)
