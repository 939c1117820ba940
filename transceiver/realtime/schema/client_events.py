"""The client's events. Each may carry an `event_id`, which comes back in `error.event_id` when it is refused."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from transceiver.realtime.schema.base import Strict
from transceiver.realtime.schema.items import NewItem

EventId = Annotated[str, StringConstraints(max_length=512)]


class _ClientEvent(Strict):
    type: str
    event_id: EventId | None = None


class SessionUpdate(_ClientEvent):
    """`session.update`: the fields present are merged into the session."""

    session: dict[str, Any]


class AppendAudio(_ClientEvent):
    """`input_audio_buffer.append`."""

    audio: str


class CommitAudio(_ClientEvent):
    """`input_audio_buffer.commit`."""


class ClearAudio(_ClientEvent):
    """`input_audio_buffer.clear`."""


class ClearOutput(_ClientEvent):
    """`output_audio_buffer.clear`."""


class CreateItem(_ClientEvent):
    """`conversation.item.create`."""

    item: NewItem
    previous_item_id: str | None = None


class RetrieveItem(_ClientEvent):
    """`conversation.item.retrieve`."""

    item_id: str


class TruncateItem(_ClientEvent):
    """`conversation.item.truncate`."""

    item_id: str
    content_index: int = Field(ge=0)
    audio_end_ms: int = Field(ge=0)


class DeleteItem(_ClientEvent):
    """`conversation.item.delete`."""

    item_id: str


class CreateResponse(_ClientEvent):
    """`response.create`."""

    response: dict[str, Any] | None = None


class CancelResponse(_ClientEvent):
    """`response.cancel`."""

    response_id: str | None = None
