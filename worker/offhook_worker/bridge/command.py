"""`python -m offhook_worker bridge-…`: a bridge set up by options, or by a file for what has no option."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from offhook_worker.bridge.cascade import CascadeBridge
from offhook_worker.bridge.realtime.worker import RealtimeBridge
from offhook_worker.bridge.settings import (
    CascadeSettings,
    InvalidSettings,
    RealtimeServer,
    load_settings,
    read_settings,
)
from offhook_worker.worker import VoiceWorker

CASCADE, REALTIME = "bridge-cascade", "bridge-realtime"
_PARTS = {
    "chat": "the language model, POST /chat/completions",
    "transcription": "speech to text, POST /audio/transcriptions; local without it",
    "speech": "text to speech, POST /audio/speech; local without it",
}
_EXAMPLES = """\
examples:
  vLLM, SGLang, llama.cpp or Ollama between local recognition and a local voice:
    python -m offhook_worker bridge-cascade --chat-url http://127.0.0.1:8000/v1 --chat-slots 256
  everything from OpenAI:
    python -m offhook_worker bridge-cascade --config openai.toml
"""


def load_bridge(name: str, file: Path, models: Path) -> VoiceWorker:
    """The bridge `name`, set up by a TOML file.

    Raises:
        InvalidSettings: there is no such bridge, or a setting is wrong.
    """
    if name == REALTIME:
        return RealtimeBridge(load_settings(RealtimeServer, file))
    if name == CASCADE:
        return CascadeBridge(load_settings(CascadeSettings, file), models)
    raise InvalidSettings(f"there is no bridge {name!r}")


def add_options(name: str, parser: argparse.ArgumentParser) -> None:
    """The options of the bridge `name`."""
    _OPTIONS[name](parser)


def make_bridge(name: str, arguments: argparse.Namespace, models: Path) -> VoiceWorker:
    """The bridge that the options describe.

    Raises:
        InvalidSettings: one is wrong or missing.
    """
    return _MAKE[name](arguments, models)


def _add_cascade_options(parser: argparse.ArgumentParser) -> None:
    parser.description = "Serves a cascade over OpenAI-compatible HTTP. Parts that are not named run here."
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--name", metavar="MODEL", help="its name for callers; default: cascade")
    parser.add_argument("--config", type=Path, metavar="FILE", help="every setting, as TOML (docs/bridges.md)")
    for part, what in _PARTS.items():
        group = parser.add_argument_group(what)
        group.add_argument(f"--{part}-url", metavar="URL", help="base, such as http://127.0.0.1:8000/v1")
        group.add_argument(f"--{part}-model", metavar="NAME", help="default: the first that the server lists")
        group.add_argument(f"--{part}-key-env", metavar="VARIABLE", help="environment variable with the API key")
        group.add_argument(f"--{part}-key-file", metavar="FILE", help="file with the API key")
        group.add_argument(f"--{part}-slots", type=int, metavar="N", help="requests that the engine runs at once")
        if part == "speech":
            group.add_argument("--speech-voice", metavar="NAME", help="the only voice; default: what callers ask for")


def _make_cascade(arguments: argparse.Namespace, models: Path) -> VoiceWorker:
    given = vars(arguments)
    parts = {part: found for part in _PARTS if (found := _part(part, given))}
    if arguments.config is not None:
        if parts or arguments.name:
            raise InvalidSettings("--config goes alone: put the other settings into the file")
        return CascadeBridge(load_settings(CascadeSettings, arguments.config), models)
    if not parts:
        raise InvalidSettings("name a server: --chat-url, --transcription-url or --speech-url, or --config FILE")
    named = {"name": arguments.name} if arguments.name else {}
    return CascadeBridge(read_settings(CascadeSettings, {**named, **parts}), models)


def _part(part: str, given: Mapping[str, Any]) -> dict[str, Any]:
    names = {"url": "url", "model": "model", "key_env": "api_key_env", "key_file": "api_key_file", "slots": "slots"}
    found = {
        setting: given[f"{part}_{option}"] for option, setting in names.items() if given[f"{part}_{option}"] is not None
    }
    if part == "speech" and given["speech_voice"]:
        found["voices"] = (given["speech_voice"],)
    if found and "url" not in found:
        raise InvalidSettings(f"--{part}-url is missing")
    return found


def _add_realtime_options(parser: argparse.ArgumentParser) -> None:
    parser.description = "Serves a model behind the OpenAI Realtime WebSocket."
    parser.add_argument("--name", metavar="MODEL", help="its name for callers; default: realtime")
    parser.add_argument("--config", type=Path, metavar="FILE", help="every setting, as TOML (docs/bridges.md)")
    parser.add_argument(
        "--url", metavar="URL", help="base, such as https://api.openai.com/v1 or ws://127.0.0.1:8000/v1"
    )
    parser.add_argument("--model", metavar="NAME", help="the model to ask the server for")
    parser.add_argument(
        "--key-env", dest="api_key_env", metavar="VARIABLE", help="environment variable with the API key"
    )
    parser.add_argument("--key-file", dest="api_key_file", metavar="FILE", help="file with the key")
    parser.add_argument("--voice", metavar="NAME", help="the only voice; default: what callers ask for")
    parser.add_argument(
        "--own-turns", action="store_true", default=None, help="the server decides turns; default: the fabric does"
    )


def _make_realtime(arguments: argparse.Namespace, _models: Path) -> VoiceWorker:
    names = ("name", "url", "model", "api_key_env", "api_key_file", "voice", "own_turns")
    found = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    if arguments.config is None:
        return RealtimeBridge(read_settings(RealtimeServer, found))
    if found:
        raise InvalidSettings("--config goes alone: put the other settings into the file")
    return RealtimeBridge(load_settings(RealtimeServer, arguments.config))


_OPTIONS = {CASCADE: _add_cascade_options, REALTIME: _add_realtime_options}
_MAKE = {CASCADE: _make_cascade, REALTIME: _make_realtime}
