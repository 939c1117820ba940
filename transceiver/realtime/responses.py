"""All responses of a session: who may begin, which one an output of the worker belongs to, how each ends."""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from offhook_proto.worker.v1 import worker_pb2
from pydantic import TypeAdapter

from transceiver.realtime import to_worker
from transceiver.realtime.configuration import Configuration
from transceiver.realtime.conversation import Conversation
from transceiver.realtime.effects import Outbox
from transceiver.realtime.errors import EventError
from transceiver.realtime.ids import new_id
from transceiver.realtime.mcp import McpTools
from transceiver.realtime.quota import UNLIMITED, Quota
from transceiver.realtime.response import Outcome, Response, ResponseSpec, usage_as_json
from transceiver.realtime.schema import server_events
from transceiver.realtime.schema.base import read
from transceiver.realtime.schema.items import ItemReference, without_nulls
from transceiver.realtime.schema.response_params import ResponseAudioOutput, ResponseParams
from transceiver.realtime.schema.session import RealtimeConfig
from transceiver.realtime.transport import Transport

MAX_OUT_OF_BAND = 8
MAX_INPUT_ITEMS = 256
MAX_ENDED_REMEMBERED = 64
"""Responses cut short of which late output is told from that of new ones."""
LONGEST_SILENCE_S = 30.0
"""A response of which the worker sends nothing for so long has failed, unless the session is told otherwise."""

_WORKER_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_PARAMS: TypeAdapter[ResponseParams] = TypeAdapter(ResponseParams)
_STATUSES = {
    worker_pb2.ResponseDone.STATUS_CANCELLED: Outcome("cancelled", "client_cancelled"),
    worker_pb2.ResponseDone.STATUS_INCOMPLETE_MAX_TOKENS: Outcome("incomplete", "max_output_tokens"),
    worker_pb2.ResponseDone.STATUS_INCOMPLETE_CONTENT_FILTER: Outcome("incomplete", "content_filter"),
}


class Responses:
    """The responses in progress: one in the conversation at most, some out of band."""

    def __init__(
        self,
        configuration: Configuration,
        conversation: Conversation,
        outbox: Outbox,
        transport: Transport,
        mcp: McpTools,
        *,
        quota: Quota = UNLIMITED,
        longest_silence_s: float = LONGEST_SILENCE_S,
    ) -> None:
        self._quota = quota
        self._longest_silence_s = longest_silence_s
        self._configuration = configuration
        self._conversation = conversation
        self._outbox = outbox
        self._transport = transport
        self._mcp = mcp
        self._in_progress: dict[str, Response] = {}
        self._ended: deque[str] = deque(maxlen=MAX_ENDED_REMEMBERED)

    def __iter__(self) -> Iterator[Response]:
        return iter(list(self._in_progress.values()))

    @property
    def active(self) -> Response | None:
        """The response in progress in the conversation."""
        return next((each for each in self._in_progress.values() if each.spec.in_conversation), None)

    def find(self, response_id: str) -> Response | None:
        """The response in progress with this id."""
        return self._in_progress.get(response_id)

    def was_ended(self, response_id: str) -> bool:
        """Whether the fabric has ended a response that the worker may still be speaking."""
        return response_id in self._ended

    # Beginning

    def request(self, given: Mapping[str, Any] | None, now: float) -> None:
        """Asks the worker for a response, which fails at once where the key has none left.

        Args:
            given: the client's overrides.
            now: the time.

        Raises:
            EventError: a field is refused, or another response is in progress.
        """
        config = self._answering()
        params = read(_PARAMS, _prepared(given or {}), "response")
        self._check(params, config)
        in_band = params.conversation != "none"
        if in_band and (active := self.active) is not None:
            raise EventError(
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one.",
                code="conversation_already_has_active_response",
            )
        if not in_band and len(self._in_progress) > MAX_OUT_OF_BAND:
            message = f"More than {MAX_OUT_OF_BAND} out-of-band responses are in progress."
            raise EventError(message, code="too_many_active_responses")
        request = self._request(params, config, out_of_band=not in_band)
        spec = _spec(params, config, request.response_id, in_conversation=in_band, request=request)
        response, refusal = self._begin(spec, now)
        if refusal is None:
            self._outbox.worker(worker_pb2.SessionInput(response_request=request))
        else:
            error = {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": refusal}
            self.end(response, Outcome("failed", error=error))

    def unasked(self, response_id: str, now: float) -> Response | None:
        """The worker speaks of its own accord; None where it may not: it is malformed, or another is in progress."""
        config = self._configuration.realtime
        if config is None or self.active is not None or _WORKER_ID.fullmatch(response_id) is None:
            return None
        response, _ = self._begin(_spec(ResponseParams(), config, response_id, in_conversation=True), now)
        return response

    # Ending

    def end(
        self, response: Response, outcome: Outcome, usage: worker_pb2.Usage | None = None, *, cut_short: bool = True
    ) -> None:
        """Ends a response. `cut_short`: the worker may still be speaking, and what it sends is discarded.

        An id that the fabric gave names one response; one that the worker chose it may choose again.
        """
        del self._in_progress[response.id]
        if cut_short or response.spec.request is not None:
            self._ended.append(response.id)
        response.finish(outcome, usage)
        if usage is not None:
            self._quota.used(usage_as_json(usage)["total_tokens"])

    def refuse(self, response_id: str) -> None:
        """What the worker sends of this response is discarded."""
        self._ended.append(response_id)

    def next_timeout(self) -> float | None:
        """When the first response will have been silent for too long."""
        last = min((each.last_output_at for each in self._in_progress.values()), default=None)
        return last + self._longest_silence_s if last is not None else None

    def overdue(self, now: float) -> list[Response]:
        """Responses of which nothing came for too long."""
        return [each for each in self._in_progress.values() if now - each.last_output_at >= self._longest_silence_s]

    # Inside

    def _answering(self) -> RealtimeConfig:
        config = self._configuration.realtime
        if config is None:
            message = "Responses are not supported in a transcription session."
            raise EventError(message, code="invalid_parameter", param="type")
        return config

    def _check(self, params: ResponseParams, config: RealtimeConfig) -> None:
        if params.output_modalities is not None and len(params.output_modalities) > 1:
            message = (
                f"Invalid modalities: {params.output_modalities}. Supported combinations are: ['text'] and ['audio']."
            )
            raise EventError(message, code="invalid_value", param="response.output_modalities")
        if params.conversation not in {None, "auto", "none", self._conversation.id}:
            message = f"Invalid value: '{params.conversation}'. Supported values are: 'auto', 'none'."
            raise EventError(message, code="invalid_value", param="response.conversation")
        own_format = _output(params).format
        if self._transport.carries_audio and own_format not in (None, config.audio.output.format):
            message = "The format of a response is the session's: leave 'response.audio.output.format' out."
            raise EventError(message, code="invalid_value", param="response.audio.output.format")
        if params.input is not None and len(params.input) > MAX_INPUT_ITEMS:
            message = f"'response.input' may have {MAX_INPUT_ITEMS} items."
            raise EventError(message, code="invalid_value", param="response.input")

    def _request(
        self, params: ResponseParams, config: RealtimeConfig, *, out_of_band: bool
    ) -> worker_pb2.ResponseRequest:
        effective = to_worker.session_config(config, self._configuration.given, self._mcp.functions(config.tools))
        self._override(effective, params, config)
        return worker_pb2.ResponseRequest(
            response_id=new_id("resp"),
            config=effective,
            out_of_band=out_of_band,
            input=self._input(params),
            metadata=params.metadata or {},
            replace_history=params.input is not None,
        )

    def _input(self, params: ResponseParams) -> list[worker_pb2.HistoryItem]:
        items = []
        for index, entry in enumerate(params.input or ()):
            item = self._conversation.get(entry.id) if isinstance(entry, ItemReference) else entry
            if item is None:
                raise EventError(
                    f"Item with id '{entry.id}' does not exist in the conversation.",
                    code="invalid_value",
                    param=f"response.input[{index}].id",
                )
            items += to_worker.history_items(item)
        return items

    def _override(self, effective: worker_pb2.SessionConfig, params: ResponseParams, config: RealtimeConfig) -> None:
        output = _output(params)
        if params.instructions is not None:
            effective.instructions = params.instructions
        if output.voice is not None:
            effective.voice = output.voice
        if params.temperature is not None:
            effective.temperature = params.temperature
        if params.max_output_tokens == "inf":
            effective.ClearField("max_output_tokens")
        elif params.max_output_tokens is not None:
            effective.max_output_tokens = params.max_output_tokens
        if params.output_modalities is not None:
            to_worker.set_modalities(effective, params.output_modalities)
        if params.tools is not None or params.tool_choice is not None:
            tools = params.tools if params.tools is not None else config.tools
            to_worker.set_tools(effective, self._mcp.functions(tools), params.tool_choice or config.tool_choice)

    def _begin(self, spec: ResponseSpec, now: float) -> tuple[Response, str | None]:
        """A response, and why the worker is not to be asked for it."""
        plays_out = not self._transport.carries_audio
        response = Response(spec, self._conversation, self._outbox, self._mcp, plays_out=plays_out)
        response.last_output_at = now
        self._in_progress[spec.id] = response
        refusal = self._quota.begin_response()
        self._outbox.event(server_events.response_created(response.as_json()))
        if limits := self._quota.limits():
            self._outbox.event(server_events.rate_limits_updated(limits))
        return response, refusal


def _prepared(given: Mapping[str, Any]) -> dict[str, Any]:
    """Nulls mean "as the session has it", and items are read as `conversation.item.create` reads them."""
    prepared = dict(given)
    if isinstance(prepared.get("input"), list):
        prepared["input"] = without_nulls(prepared["input"])
    return prepared


def _output(params: ResponseParams) -> ResponseAudioOutput:
    output = params.audio.output if params.audio is not None else None
    return output or ResponseAudioOutput()


def _spec(
    params: ResponseParams,
    config: RealtimeConfig,
    response_id: str,
    *,
    in_conversation: bool,
    request: worker_pb2.ResponseRequest | None = None,
) -> ResponseSpec:
    output = _output(params)
    modalities = params.output_modalities or config.output_modalities
    voice = output.voice or config.audio.output.voice
    # The format on the wire is the session's: the fabric decodes and encodes once for all responses.
    echo = {
        "output_modalities": modalities,
        "max_output_tokens": params.max_output_tokens or config.max_output_tokens,
        "audio": {"output": {"format": config.audio.output.format.model_dump(), "voice": voice}},
        "metadata": params.metadata,
    }
    return ResponseSpec(
        id=response_id,
        text_only=modalities == ["text"],
        in_conversation=in_conversation,
        echo=echo,
        request=request,
        tools=params.tools if params.tools is not None else config.tools,
    )


def outcome_of(done: worker_pb2.ResponseDone) -> Outcome:
    """How the worker says that a response ended."""
    if done.status == worker_pb2.ResponseDone.STATUS_FAILED:
        code = done.error.code or "worker_error"
        message = done.error.message or "The model failed to answer."
        return Outcome("failed", error={"type": "server_error", "code": code, "message": message})
    return _STATUSES.get(done.status, Outcome("completed"))
