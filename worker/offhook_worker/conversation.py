"""What was said so far, as a worker has to remember it. Sans-IO.

The fabric owns the conversation and tells every change; this keeps the worker's copy true to it: typed and spoken
messages, answers as far as they were heard, function calls and their results, edits by the application.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.events import HistoryEdited, ImageInput, Interrupted, ResponseItem, Role, TextInput, ToolResult
from offhook_worker.utterance import Utterance

_ROLES = frozenset(role.value for role in Role)

MAX_ITEMS = 500
"""The oldest items go. No model here reads more, and the fabric has them all."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        item_id: empty until the fabric has named an answer's item.
        text: what was typed, said (its transcript, where there is one) or answered as far as it was heard.
        images: what was shown with it.
        audio: what the caller said, kept until the next turn.
        response_id: of an answer; empty otherwise.
    """

    item_id: str
    role: Role
    text: str = ""
    images: tuple[ImageInput, ...] = ()
    audio: Utterance | None = None
    response_id: str = ""


@dataclass(frozen=True, slots=True)
class FunctionCalled:
    """A function that an answer called; its result is a ToolResult with the same `call_id`."""

    item_id: str
    call_id: str
    name: str
    arguments: str
    response_id: str = ""


Item = Message | FunctionCalled | ToolResult


@dataclass(slots=True)
class _Words:
    """Some words of an answer, and when in its audio they begin; None: they are not spoken."""

    text: str
    start_us: int | None


class Conversation:
    """The items in order. Iterate over it, or take `items`.

    Args:
        history: the conversation before this worker, of a call that moved here.
    """

    def __init__(self, history: Iterable[worker_pb2.HistoryItem] = ()) -> None:
        self._items: list[Item] = list(read_items(history))
        self._words: dict[str, list[_Words]] = {}

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def items(self) -> tuple[Item, ...]:
        """All items, as they are now."""
        return tuple(self._items)

    # -- what the fabric tells ---------------------------------------------------------------------------------------

    def typed(self, part: TextInput) -> None:
        """A typed message, or one more part of it."""
        index = self._find(part.item_id)
        if index is not None and isinstance(known := self._items[index], Message):
            self._items[index] = replace(known, text=f"{known.text}\n{part.text}" if known.text else part.text)
        else:
            self._append(Message(part.item_id, part.role, part.text))

    def shown(self, image: ImageInput) -> None:
        """A picture, or one more part of a message."""
        index = self._find(image.item_id)
        if index is not None and isinstance(known := self._items[index], Message):
            self._items[index] = replace(known, images=(*known.images, image))
        else:
            self._append(Message(image.item_id, Role.USER, images=(image,)))

    def returned(self, result: ToolResult) -> None:
        """What a function returned."""
        self._append(result)

    def said(self, item_id: str, utterance: Utterance) -> None:
        """A turn of the caller. Only the last one's audio is kept."""
        for index, item in enumerate(self._items):
            if isinstance(item, Message) and item.audio is not None:
                self._items[index] = replace(item, audio=None)
        self._append(Message(item_id, Role.USER, audio=utterance))

    def edited(self, edit: HistoryEdited) -> None:
        """An item was inserted, deleted or truncated by the application. What it does not know it ignores."""
        change = edit.edit
        match change.WhichOneof("edit"):
            case "insert":
                after = self._find(change.insert.previous_item_id) if change.insert.previous_item_id else -1
                position = len(self._items) if after is None else after + 1
                self._items[position:position] = read_items([change.insert.item])
                self._bound()
            case "delete_item_id":
                index = self._find(change.delete_item_id)
                if index is not None:
                    self._forget(index)
            case "truncate":
                index = self._find(change.truncate.item_id)
                if index is not None and isinstance(item := self._items[index], Message):
                    self._heard(item.response_id, change.truncate.audio_end_us)

    def named(self, name: ResponseItem) -> None:
        """The fabric's id of an answer, or of a function call in it."""
        for index, item in enumerate(self._items):
            is_call = isinstance(item, FunctionCalled) and item.call_id == name.call_id
            is_answer = isinstance(item, Message) and item.response_id == name.response_id and not name.call_id
            if not isinstance(item, ToolResult) and (is_call or is_answer):
                self._items[index] = replace(item, item_id=name.item_id)

    def interrupted(self, interruption: Interrupted) -> None:
        """An answer was cut off: only what was heard remains."""
        self._heard(interruption.response_id, interruption.played_us)

    # -- what the worker adds ----------------------------------------------------------------------------------------

    def transcribed(self, item_id: str, text: str) -> None:
        """The words of what the caller said."""
        index = self._find(item_id)
        if index is not None and isinstance(item := self._items[index], Message):
            self._items[index] = replace(item, text=text)

    def answered(self, response_id: str, text: str, start_us: int | None = None) -> None:
        """More of an answer; `start_us` into its audio, or None where it is not spoken."""
        self._words.setdefault(response_id, []).append(_Words(text, start_us))
        self._write(response_id)

    def called(self, call: FunctionCalled) -> None:
        """The answer calls a function."""
        self._append(call)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _heard(self, response_id: str, played_us: int) -> None:
        words = self._words.get(response_id)
        if words is not None:
            words[:] = [each for each in words if each.start_us is None or each.start_us < played_us]
            self._write(response_id)

    def _write(self, response_id: str) -> None:
        """Makes the answer's message what its words are; an answer of which nothing was heard is none."""
        text = "".join(each.text for each in self._words[response_id]).strip()
        for index, item in enumerate(self._items):
            if isinstance(item, Message) and item.response_id == response_id:
                if text:
                    self._items[index] = replace(item, text=text)
                else:
                    del self._items[index]
                return
        if text:
            self._append(Message("", Role.ASSISTANT, text, response_id=response_id))

    def _find(self, item_id: str) -> int | None:
        for index in range(len(self._items) - 1, -1, -1):
            if self._items[index].item_id == item_id:
                return index
        return None

    def _append(self, item: Item) -> None:
        self._items.append(item)
        self._bound()

    def _bound(self) -> None:
        while len(self._items) > MAX_ITEMS:
            self._forget(0)

    def _forget(self, index: int) -> None:
        item = self._items.pop(index)
        if isinstance(item, Message):
            self._words.pop(item.response_id, None)


def read_items(history: Iterable[worker_pb2.HistoryItem]) -> Iterator[Item]:
    """The protocol's items. One without content, or of a role this release does not know, is left out."""
    for item in history:
        match item.WhichOneof("item"):
            case "message" if item.message.role in _ROLES:
                yield _read_message(item.item_id, item.message)
            case "function_call":
                call = item.function_call
                yield FunctionCalled(item.item_id, call.call_id, call.name, call.arguments_json)
            case "tool_result":
                result = item.tool_result
                yield ToolResult(item.item_id, result.call_id, result.output)


def _read_message(item_id: str, message: worker_pb2.Message) -> Message:
    texts = [content.text or content.transcript for content in message.content]
    images = tuple(
        ImageInput(each.image.item_id, each.image.mime_type, each.image.data, each.image.detail)
        for each in message.content
        if each.HasField("image")
    )
    return Message(item_id, Role(message.role), "\n".join(filter(None, texts)), images)
