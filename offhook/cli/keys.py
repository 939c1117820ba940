"""`offhook keys`: routing keys and API keys, made and rotated without a dropped call."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from offhook.keys import key_file
from offhook.keys.errors import KeyMisuse, SecretUnreachable
from offhook.service.config import ConfigError, load_key_ring, new_key_file, read_mapping
from offhook.up.layout import new_api_key

KEYS_FILE = "keys.json"
API_KEYS_FILE = "api_keys"
SEALING_KEYS_FILE = "client_secret_keys.json"
LABELS = {"app.kubernetes.io/name": "offhook", "app.kubernetes.io/component": "keys"}

app = typer.Typer(
    help="Make, rotate and retire the keys of a fabric.\n\n"
    "Rotation is three steps, with time between them: add a key, and every process can read its ufrags; mint with it; "
    "and when the calls of the one before have ended, retire that one.",
    no_args_is_help=True,
)

KeyFileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The key file.")]
KeySecretName = Annotated[str, typer.Option("--secret", metavar="NAME", help="The Secret with the routing keys.")]
OptionalKeySecret = Annotated[
    str | None, typer.Option("--secret", metavar="NAME", help="The Secret with the routing keys.")
]
ApiKeySecret = Annotated[
    str | None,
    typer.Option("--api-secret", metavar="NAME", help="The Secret with the API keys and those of ephemeral keys."),
]


@app.command("new")
def new(path: KeyFileArgument) -> None:
    """Write a key file with one fresh key, readable by its owner only."""
    with _one_line():
        if path.exists():
            raise KeyMisuse(f"{path} exists already: 'offhook keys add' adds to it")
        path.touch(mode=0o600)
        path.write_text(json.dumps(new_key_file()), encoding="utf-8")


@app.command("add")
def add(path: KeyFileArgument) -> None:
    """Add a fresh key that does not mint yet; prints its id."""
    with _one_line():
        content, key_id = key_file.with_new_key(_checked(path))
        _write(path, content)
    typer.echo(key_id)


@app.command("mint")
def mint(path: KeyFileArgument, key_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Mint new ufrags with this key. Every process must have seen it by now."""
    with _one_line():
        _write(path, key_file.minting_with(_checked(path), key_id))


@app.command("retire")
def retire(path: KeyFileArgument, key_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Remove a key that does not mint. Calls that were set up with it end."""
    with _one_line():
        _write(path, key_file.without_key(_checked(path), key_id))


@app.command("ensure")
def ensure(secret: OptionalKeySecret = None, api_secret: ApiKeySecret = None) -> None:
    """In Kubernetes: make the Secrets that are not there yet. What is there stays as it is."""
    with _one_line():
        if secret is not None:
            _ensure(secret, {KEYS_FILE: json.dumps(new_key_file())})
        if api_secret is not None:
            client_secret_keys = json.dumps(new_key_file())
            _ensure(api_secret, {API_KEYS_FILE: new_api_key() + "\n", SEALING_KEYS_FILE: client_secret_keys})


@app.command("rotate")
def rotate(
    secret: KeySecretName,
    propagation_s: Annotated[
        float, typer.Option("--propagation-s", help="Until every pod has seen a changed Secret.")
    ] = 120.0,
) -> None:
    """In Kubernetes: retire the key that the last rotation replaced, add a new one, wait, and mint with it.

    So the calls of a key have from one rotation to the next to end; rotate less often than the longest call.
    """
    from offhook.keys.secret import KeySecret

    with _one_line():
        stored = KeySecret(secret)
        content = _read(stored)
        idle = key_file.idle_ids(content)
        content, key_id = key_file.with_new_key(content)
        for old_id in idle:
            content = key_file.without_key(content, old_id)
            typer.echo(f"retired key {old_id}")
        stored.replace(KEYS_FILE, json.dumps(content))
        typer.echo(f"added key {key_id}; minting with it in {propagation_s:g} s")
        time.sleep(propagation_s)
        stored.replace(KEYS_FILE, json.dumps(key_file.minting_with(_read(stored), key_id)))
        typer.echo(f"key {key_id} mints")


@app.command("delete")
def delete(secret: OptionalKeySecret = None, api_secret: ApiKeySecret = None) -> None:
    """In Kubernetes: remove the Secrets. Every call ends, and every API key is void."""
    from offhook.keys.secret import KeySecret

    with _one_line():
        for name in filter(None, (secret, api_secret)):
            typer.echo(f"Secret {name}: {'removed' if KeySecret(name).delete() else 'not there'}")


def _ensure(name: str, files: Mapping[str, str]) -> None:
    from offhook.keys.secret import KeySecret

    made = KeySecret(name).create(files, LABELS)
    typer.echo(f"Secret {name}: {'made' if made else 'there already'}")


def _read(stored: Any) -> dict[str, Any]:  # noqa: ANN401 - KeySecret, which is imported where it is needed
    text = stored.read(KEYS_FILE)
    if text is None:
        raise KeyMisuse(f"there is no Secret {stored.name} with {KEYS_FILE} in it: 'offhook keys ensure' first")
    content: dict[str, Any] = json.loads(text)
    return content


def _checked(path: Path) -> dict[str, Any]:
    load_key_ring(path)
    return read_mapping(path)


def _write(path: Path, content: dict[str, Any]) -> None:
    """Replaces the file: whoever reads meanwhile sees the old one or the new one."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(content), encoding="utf-8")
    load_key_ring(unfinished)
    unfinished.replace(path)


@contextmanager
def _one_line() -> Iterator[None]:
    """What goes wrong becomes one line and an exit code: 2 if the person can mend it, else 1."""
    try:
        yield
    except (KeyMisuse, ConfigError) as error:
        typer.echo(f"offhook keys: {error}", err=True)
        raise typer.Exit(2) from None
    except ModuleNotFoundError:
        typer.echo("offhook keys: this needs the extra offhook[kubernetes]", err=True)
        raise typer.Exit(2) from None
    except (SecretUnreachable, OSError) as error:
        typer.echo(f"offhook keys: {error}", err=True)
        raise typer.Exit(1) from None
