"""`offhook worker`: runs a reference worker; `offhook worker check`: examines anybody's."""

from pathlib import Path
from typing import Annotated

import typer

from offhook.cli import roles

app = typer.Typer(
    help="Run a reference worker, the model at the end of the line (--config); or check a worker of your own (check)."
)


@app.callback(invoke_without_command=True)
def worker(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="Configuration file (YAML).", metavar="FILE")] = None,
    ready_file: roles.ReadyFile = None,
) -> None:
    """Run a reference worker: the model at the end of the line. Or `check` a worker of your own."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        typer.echo("offhook worker: name a configuration with --config FILE, or a worker to check ADDRESS", err=True)
        raise typer.Exit(2)
    roles.worker(config, ready_file)


@app.command("deletion-costs")
def deletion_costs(
    selector: Annotated[str, typer.Option(help="Labels of the workers' pods.", metavar="LABEL=VALUE,...")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where they serve /metrics.")] = 9090,
    every: Annotated[float, typer.Option(min=1, help="How often they are asked.", metavar="SECONDS")] = 15.0,
    admin_listen: Annotated[str, typer.Option(help="Where to serve /livez and /metrics.", metavar="IP:PORT")] = (
        "127.0.0.1:0"
    ),
) -> None:
    """Keep pod-deletion-cost on workers' pods by the sessions they have, so that Kubernetes scales in the emptiest.

    Needs the rights to list and to patch pods of its namespace. Exit code 2: there is no service account or kubeconfig.
    """
    from offhook.deletion_costs.keeper import Settings, keep
    from offhook.service.config import ConfigError
    from offhook.service.lifecycle import run_service
    from offhook.service.logs import configure_logging

    configure_logging("info", "json", role="deletion-costs")
    try:
        code = run_service(lambda stop: keep(Settings(selector, port, every, admin_listen), stop))
    except (ConfigError, OSError) as error:
        typer.echo(f"offhook worker deletion-costs: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from None
    raise typer.Exit(code)


@app.command()
def check(
    address: Annotated[str, typer.Argument(help="Where the worker serves: host:port or unix:/path.")],
    model: Annotated[str, typer.Option(help="The model to call; default: the worker's first.")] = "",
    sessions: Annotated[int, typer.Option(min=1, max=1000, help="Calls at once, for the check of many.")] = 20,
    answer_timeout: Annotated[
        float, typer.Option(min=1, max=100, help="How long an answer may take to be complete.", metavar="SECONDS")
    ] = 20.0,
    question: Annotated[str, typer.Option(help="Typed to a model that reads.")] = "What time is it?",
    speech: Annotated[
        Path | None, typer.Option(help="Said to the model: WAV, 16-bit mono; default: a made-up sound.", metavar="FILE")
    ] = None,
    pid: Annotated[int, typer.Option(help="The worker's process: sent SIGTERM at the end, to see how it drains.")] = 0,
    ca: Annotated[
        Path | None, typer.Option(help="Speak TLS: the authority of the worker's certificate (PEM).", metavar="FILE")
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(help="Certificate to show to a worker that asks for one (PEM).", metavar="FILE")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM).", metavar="FILE")] = None,
    server_name: Annotated[
        str, typer.Option(help="Name in the worker's certificate, where it is not the one dialled.", metavar="NAME")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Call a worker as a transceiver does and say what is wrong with it and what to do. In about 10 s.

    For workers in any language. It takes every seat of the worker for a moment (up to 256): point it at one that serves
    nobody. Exit code 0: it conforms. 1: it breaks the protocol. 2: the command was used wrongly.
    """
    from offhook_worker.check import BadSpeech, BadTls, CheckOptions, ClientTls, check_and_report, read_speech

    try:
        said, rate = read_speech(speech) if speech is not None else (b"", 16_000)
        tls = ClientTls.of_files(ca, cert, key, server_name)
    except (BadSpeech, BadTls) as error:
        typer.echo(f"offhook worker check: {error}", err=True)
        raise typer.Exit(2) from None
    options = CheckOptions(
        model=model,
        answer_s=answer_timeout,
        sessions=sessions,
        speech=said,
        speech_rate_hz=rate,
        question=question,
        pid=pid,
        tls=tls,
    )
    raise typer.Exit(check_and_report(address, options, json=as_json))
