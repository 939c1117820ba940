"""Configuration files and the key file: read once, checked whole, never half applied.

A value may name environment variables, `${POD_IP}`: one file then serves every pod of a Deployment. An IPv6 address
from there gets its brackets where a port follows: `media_address: ${POD_IP}:7000`.

Every fault is a `ConfigError` whose one line names the file and the field and says what is expected. Values are never
quoted in it: the key file holds secrets, and one rule for all files is easier to trust than two.
"""

import base64
import binascii
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from wire.ufrag import SECRET_BYTES, KeyRing, RouteKey


class ConfigError(Exception):
    """The person running this must change something; the message is one line that says what."""


class Config(BaseModel):
    """Base of every configuration: immutable, and a key it does not know is an error rather than ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_C = TypeVar("_C", bound=Config)

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}(?P<before_port>(?=:))?")


def load_config(path: Path, model: type[_C]) -> _C:
    """Read a YAML file (so JSON, too) into `model`.

    Raises:
        ConfigError: the file cannot be read, is not YAML, names a variable that is not set, or a field is missing,
            unknown or wrong.
    """
    try:
        return model.model_validate(_expanded(read_mapping(path), path))
    except ValidationError as error:
        faults = "; ".join(_fault(details) for details in error.errors(include_url=False, include_input=False))
        raise ConfigError(f"{path}: {faults}") from None


def read_mapping(path: Path) -> dict[Any, Any]:
    """Read a YAML file whose top level is a mapping; the settings in it are not checked.

    Raises:
        ConfigError: it cannot be read, or is not such a file.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except yaml.YAMLError as error:
        # The parser's own message quotes the line, which may hold a secret.
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise ConfigError(f"{path}: is not YAML{where}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must be a mapping of settings, such as 'log_level: info'")
    return content


def _expanded(value: Any, path: Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    """`value` with each variable that a text in it names replaced by what the environment says."""

    def said(found: re.Match[str]) -> str:
        text = os.environ.get(found["name"])
        if text is None:
            raise ConfigError(f"{path}: environment variable {found['name']} is not set")
        return f"[{text}]" if found["before_port"] is not None and ":" in text else text

    match value:
        case str():
            return _VARIABLE.sub(said, value)
        case list():
            return [_expanded(each, path) for each in value]
        case dict():
            return {key: _expanded(each, path) for key, each in value.items()}
    return value


def _fault(details: ErrorDetails) -> str:
    field = ".".join(str(part) for part in details["loc"])
    match details["type"]:
        case "missing":
            return f"{field}: is required"
        case "extra_forbidden":
            return f"{field}: no such setting"
        case _:
            message = details["msg"].removeprefix("Value error, ")
            return f"{field}: {message}" if field else message


class _KeyConfiguration(Config):
    id: str = Field(description="One ice-char; the first character of every ufrag minted with this key.")
    secret: str = Field(repr=False, description="32 random bytes in base64.")
    mint: bool = Field(default=False, description="Mint new ufrags with this one; exactly one configuration has it.")

    @property
    def route_key(self) -> RouteKey:
        return RouteKey(self.id, base64.b64decode(self.secret, validate=True))

    @model_validator(mode="after")
    def _is_a_key(self) -> Self:
        try:
            _ = self.route_key
        except binascii.Error:
            raise ValueError(f"secret of key {self.id!r} is not base64") from None
        return self


class _KeyFile(Config):
    configurations: Annotated[tuple[_KeyConfiguration, ...], Field(min_length=1, max_length=64)]

    @property
    def key_ring(self) -> KeyRing:
        minting = [key.route_key for key in self.configurations if key.mint]
        return KeyRing(minting[0], [key.route_key for key in self.configurations])

    @property
    def secret_ring(self) -> "SecretRing":
        keys = [key.route_key for key in self.configurations]
        minting = next(key.id for key in self.configurations if key.mint)
        return SecretRing(minting, {key.config_id: key.secret for key in keys})

    @model_validator(mode="after")
    def _is_a_ring(self) -> Self:
        if sum(key.mint for key in self.configurations) != 1:
            raise ValueError("configurations: exactly one must have 'mint: true'")
        _ = self.key_ring
        return self


@dataclass(frozen=True, slots=True)
class SecretRing:
    """The secrets of a key file, of 32 bytes each, by their ids: one mints, all are accepted."""

    mint_id: str
    secrets: Mapping[str, bytes] = field(repr=False)


def load_secret_ring(path: Path) -> SecretRing:
    """Read a key file, as `load_key_ring` does, for a use other than routing.

    Raises:
        ConfigError: as `load_key_ring` says.
    """
    return load_config(path, _KeyFile).secret_ring


def load_key_ring(path: Path) -> KeyRing:
    """Read a key file: `{"configurations": [{"id": "A", "secret": "<base64 of 32 bytes>", "mint": true}, ...]}`.

    Raises:
        ConfigError: the file cannot be read, a secret is not 32 bytes of base64, two keys share an id, or not exactly
            one mints. The message never quotes a secret.
    """
    return load_config(path, _KeyFile).key_ring


def new_key_file() -> dict[str, Any]:
    """One fresh configuration that mints, in the shape that `load_key_ring` reads."""
    secret = base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")
    return {"configurations": [{"id": "A", "secret": secret, "mint": True}]}
