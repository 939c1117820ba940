"""The conversation: items in order, and the chain of `previous_item_id` that lets clients keep the same order."""

from collections.abc import Iterator

from transceiver.realtime.effects import Outbox
from transceiver.realtime.errors import EventError
from transceiver.realtime.ids import new_id
from transceiver.realtime.schema import server_events
from transceiver.realtime.schema.items import (
    AssistantMessage,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    Item,
    McpApprovalRequest,
    McpCall,
    McpListTools,
    SystemMessage,
    UserMessage,
    as_json,
)

ROOT = "root"
"""As `previous_item_id`: at the front."""

MAX_ITEMS = 2000
MAX_BYTES = 16 * 1024 * 1024
"""Bounds of one conversation; beyond them the oldest items go (drop_oldest), as with the API's truncation."""


class Conversation:
    """One session's items.

    Args:
        outbox: takes the events that tell of changes.
    """

    def __init__(self, outbox: Outbox) -> None:
        self.id = new_id("conv")
        self._outbox = outbox
        self._items: list[Item] = []
        self._sizes: dict[str, int] = {}
        self._bytes = 0

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def last_id(self) -> str | None:
        """Id of the last item."""
        return self._items[-1].id if self._items else None

    def get(self, item_id: str) -> Item | None:
        """The item with this id."""
        return next((item for item in reversed(self._items) if item.id == item_id), None)

    def has(self, item_id: str) -> bool:
        """Whether there is such an item."""
        return item_id in self._sizes

    def has_call(self, call_id: str) -> bool:
        """Whether the model has called a function under this id."""
        return any(isinstance(item, FunctionCall) and item.call_id == call_id for item in self._items)

    def previous(self, item_id: str) -> str | None:
        """Id of the item before; None for the first."""
        before: str | None = None
        for item in self._items:
            if item.id == item_id:
                break
            before = item.id
        return before

    def position_after(self, previous_item_id: str | None) -> int:
        """Where an item goes that names `previous_item_id`: None is the end, "root" the front.

        Raises:
            EventError: there is no such item.
        """
        if previous_item_id is None:
            return len(self._items)
        if previous_item_id == ROOT:
            return 0
        for index, item in enumerate(self._items):
            if item.id == previous_item_id:
                return index + 1
        raise EventError(
            f"Error creating item: the previous item with id '{previous_item_id[:64]}' does not exist.",
            code="item_create_invalid_previous_item_id",
            param="previous_item_id",
        )

    def insert(self, item: Item, position: int) -> list[str]:
        """Adds an item and tells of it; returns the ids of the oldest items that had to go for it."""
        assert item.id is not None
        evicted = self._make_room(_size(item))
        position = max(0, position - len(evicted))
        self._items.insert(position, item)
        self._sizes[item.id] = _size(item)
        self._bytes += self._sizes[item.id]
        self._outbox.event(server_events.item_added(as_json(item), self.previous(item.id)))
        return evicted

    def append(self, item: Item) -> list[str]:
        """The same at the end."""
        return self.insert(item, len(self._items))

    def finish(self, item: Item) -> None:
        """Tells that an item is final. One that was deleted meanwhile is nobody's business any more."""
        if item.id is not None and self.has(item.id):
            self._outbox.event(server_events.item_done(as_json(item), self.previous(item.id)))

    def delete(self, item_id: str) -> None:
        """Removes an item and tells of it.

        Raises:
            EventError: there is no such item.
        """
        if self.get(item_id) is None:
            raise EventError(
                f"Error deleting item: the item with id '{item_id[:64]}' does not exist.",
                code="item_delete_invalid_item_id",
                param="item_id",
            )
        self._remove(item_id)

    def _make_room(self, size: int) -> list[str]:
        evicted: list[str] = []
        while self._items and (len(self._items) >= MAX_ITEMS or self._bytes + size > MAX_BYTES):
            oldest = self._items[0].id
            assert oldest is not None
            self._remove(oldest)
            evicted.append(oldest)
        return evicted

    def _remove(self, item_id: str) -> None:
        self._items = [item for item in self._items if item.id != item_id]
        self._bytes -= self._sizes.pop(item_id)
        self._outbox.event(server_events.item_deleted(item_id))


def _size(item: Item) -> int:
    """About what an item holds, in bytes; what grows later (an answer) is bounded elsewhere."""
    match item:
        case UserMessage() | SystemMessage() | AssistantMessage():
            return sum(_part_size(part) for part in item.content)
        case FunctionCall():
            return len(item.arguments)
        case FunctionCallOutput():
            return len(item.output)
        case McpListTools() | McpCall() | McpApprovalRequest():
            return len(item.model_dump_json())
        case _:
            return len(item.reason or "")


def _part_size(part: object) -> int:
    match part:
        case InputImage():
            return len(part.image_url)
        case InputAudio():
            return len(part.transcript or "")
        case _:
            return len(getattr(part, "text", None) or getattr(part, "transcript", None) or "")
