"""From the protocol to what an author reads."""

from collections.abc import Callable

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.audio import Audio
from offhook_worker.events import (
    ConfigUpdated,
    Dtmf,
    Event,
    HistoryEdited,
    ImageInput,
    Interrupted,
    Playout,
    ResponseItem,
    ResponseRequested,
    Role,
    TextInput,
    ToolResult,
    TurnEvent,
    TurnKind,
)


def decode(message: worker_pb2.SessionInput) -> Event:
    """The event in `message`, which is none of open, credit and close.

    Raises:
        ValueError: no content, or a value this release does not know.
    """
    kind = message.WhichOneof("input")
    reader = _READERS.get(kind or "")
    if reader is None:
        raise ValueError(f"no event in an input of kind {kind}")
    return reader(message)


def _audio(message: worker_pb2.SessionInput) -> Audio:
    frame = message.audio
    if frame.duration_us == 0:
        raise ValueError("an audio frame has no duration")
    return Audio(
        payload=frame.payload,
        duration_us=frame.duration_us,
        media_time_us=frame.media_time_us,
        level_dbov=frame.audio_level_plus_one - 1 if frame.audio_level_plus_one else None,
        lost_before=frame.lost_before,
        response_id=frame.response_id,
    )


def _text(message: worker_pb2.SessionInput) -> TextInput:
    return TextInput(message.text.item_id, Role(message.text.role), message.text.text)


def _image(message: worker_pb2.SessionInput) -> ImageInput:
    image = message.image
    return ImageInput(image.item_id, image.mime_type, image.data, image.detail)


def _tool_result(message: worker_pb2.SessionInput) -> ToolResult:
    result = message.tool_result
    return ToolResult(result.item_id, result.call_id, result.output)


def _turn(message: worker_pb2.SessionInput) -> TurnEvent:
    turn = message.turn
    return TurnEvent(TurnKind(turn.kind), turn.item_id, turn.start_us, turn.end_us)


def _response_item(message: worker_pb2.SessionInput) -> ResponseItem:
    item = message.response_item
    return ResponseItem(item.response_id, item.item_id, item.call_id)


def _interruption(message: worker_pb2.SessionInput) -> Interrupted:
    interruption = message.interruption
    by_caller = interruption.reason == worker_pb2.Interruption.REASON_TURN_DETECTED
    return Interrupted(interruption.response_id, interruption.played_us, by_caller)


def _playout(message: worker_pb2.SessionInput) -> Playout:
    position = message.playout
    return Playout(position.response_id, position.played_us, position.buffered_ms, position.received_us)


_READERS: dict[str, Callable[[worker_pb2.SessionInput], Event]] = {
    "audio": _audio,
    "text": _text,
    "image": _image,
    "tool_result": _tool_result,
    "turn": _turn,
    "response_request": lambda m: ResponseRequested(m.response_request.response_id, m.response_request),
    "response_item": _response_item,
    "interruption": _interruption,
    "playout": _playout,
    "update": lambda m: ConfigUpdated(m.update.config),
    "history_edit": lambda m: HistoryEdited(m.history_edit),
    "dtmf": lambda m: Dtmf(m.dtmf.event, m.dtmf.duration_ms),
}
