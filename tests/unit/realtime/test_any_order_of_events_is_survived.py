"""Random clients, workers, callers and playouts against one session, on both kinds of transport.

What must hold whatever happens: no exception; every event is one that the official SDK knows (the scene checks each);
every `response.create` is answered at once; one response of the conversation at a time, and each that begins ends;
every item names the item before it; what the worker is told of items matches what the client is told.
"""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.client_event_strategies import DETECTIONS, FIELDS, IDS, ITEMS, JSON, RESPONSES, TEXTS, TYPES
from tests.support.realtime_scene import FRAME_US, RealtimeScene, audio
from transceiver.realtime.effects import CallMcpTool, ListMcpTools
from transceiver.realtime.schema.items import McpError, McpListedTool
from transceiver.realtime.transport import DATA_CHANNEL, WEBSOCKET


class AnySession(RuleBasedStateMachine):
    """One session and its surroundings."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = RealtimeScene()
        self.media_us = 0
        self.speaking = False
        self.created: list[str] = []
        self.done: list[str] = []
        self.in_conversation: set[str] = set()
        self.items: list[str] = []
        self.unfinished: set[str] = set()
        self.untold: set[str] = set()
        self.requests: list[str] = []
        self.seen = 0

    @initialize(transport=st.sampled_from([DATA_CHANNEL, WEBSOCKET]))
    def begin(self, transport: Any) -> None:  # noqa: ANN401 - hypothesis draws it
        self.scene = RealtimeScene(transport=transport)
        self.scene.session.open(self.scene.now)
        self.scene.run()

    # The client

    @rule(kind=TYPES, fields=st.dictionaries(FIELDS, JSON, max_size=4))
    def client_sends_anything(self, kind: str, fields: dict[str, Any]) -> None:
        self.scene.session.client_event({**fields, "type": kind}, self.scene.now)
        self.scene.run()

    @rule(text=st.text(max_size=20))
    def client_sends_text(self, text: str) -> None:
        self.scene.session.client_text(text, self.scene.now)
        self.scene.run()

    @rule(detection=DETECTIONS)
    def client_updates(self, detection: dict[str, Any] | None) -> None:
        session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        (event,) = self.scene.send("session.update", session=session)
        assert event["type"] == "session.updated"

    @rule(item=ITEMS, previous=st.none() | IDS)
    def client_creates_item(self, item: dict[str, Any], previous: str | None) -> None:
        events = self.scene.send("conversation.item.create", item=item, previous_item_id=previous, event_id="c")
        assert events[-1]["type"] in {"conversation.item.done", "error"}

    @rule(response=RESPONSES)
    def client_asks(self, response: dict[str, Any]) -> None:
        (event,) = self.scene.send("response.create", response=response, event_id="ask")
        assert event["type"] == "response.created" or event["error"]["event_id"] == "ask"

    @rule()
    def client_cancels(self) -> None:
        assert self.scene.send("response.cancel")

    @precondition(lambda self: self.items)
    @rule(data=st.data(), end_ms=st.integers(0, 500))
    def client_truncates(self, data: st.DataObject, end_ms: int) -> None:
        item_id = data.draw(st.sampled_from(self.items))
        (event,) = self.scene.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=end_ms)
        assert event["type"] in {"conversation.item.truncated", "error"}

    @precondition(lambda self: self.items)
    @rule(data=st.data())
    def client_deletes(self, data: st.DataObject) -> None:
        (event,) = self.scene.send("conversation.item.delete", item_id=data.draw(st.sampled_from(self.items)))
        assert event["type"] == "conversation.item.deleted"

    # The caller

    @rule(frames=st.integers(1, 50))
    def audio_comes(self, frames: int) -> None:
        self.media_us += frames * FRAME_US
        self.scene.session.audio_received(self.media_us)
        self.scene.run()

    @precondition(lambda self: not self.speaking)
    @rule()
    def speech_starts(self) -> None:
        self.speaking = True
        self.scene.interrupts(self.media_us)

    @precondition(lambda self: self.speaking)
    @rule()
    def speech_stops(self) -> None:
        self.speaking = False
        self.scene.session.speech_stopped(self.media_us, self.scene.now)
        self.scene.run()

    # The worker

    @property
    def open_responses(self) -> list[str]:
        """Responses in progress, and two that are none."""
        return [each for each in self.created if each not in self.done] + ["unasked", *self.done[-1:]]

    @rule(data=st.data(), text=TEXTS, frames=st.integers(0, 5))
    def worker_speaks(self, data: st.DataObject, text: str, frames: int) -> None:
        self.scene.speaks(data.draw(st.sampled_from(self.open_responses)), text, frames)

    @rule(data=st.data(), text=TEXTS)
    def worker_writes(self, data: st.DataObject, text: str) -> None:
        response_id = data.draw(st.sampled_from(self.open_responses))
        self.scene.worker(text=pb.TextDelta(response_id=response_id, delta=text))

    @rule(data=st.data(), call=st.sampled_from(["call_1", "call_2", ""]), done=st.booleans(), text=TEXTS)
    def worker_calls(self, data: st.DataObject, call: str, text: str, *, done: bool) -> None:
        self.scene.calls(data.draw(st.sampled_from(self.open_responses)), call, "f", text, done=done)

    @rule(data=st.data(), status=st.sampled_from(pb.ResponseDone.Status.values()))
    def worker_finishes(self, data: st.DataObject, status: "pb.ResponseDone.Status.ValueType") -> None:
        self.scene.finishes(data.draw(st.sampled_from(self.open_responses)), status=status)

    @rule(data=st.data())
    def worker_flushes(self, data: st.DataObject) -> None:
        self.scene.worker(flush=pb.Flush(response_id=data.draw(st.sampled_from([*self.open_responses, ""]))))

    @rule(text=TEXTS, done=st.booleans(), item_id=st.sampled_from(["", "a"]))
    def worker_transcribes(self, text: str, item_id: str, *, done: bool) -> None:
        self.scene.worker(input_transcription=pb.InputTranscription(item_id=item_id, delta=text, done=done, text=text))

    @rule()
    def worker_plays_outside_any_response(self) -> None:
        self.scene.worker(audio=audio(""))

    @rule()
    def worker_moves(self) -> None:
        self.scene.session.worker_lost(self.scene.now)
        self.scene.session.resume(self.scene.now)
        self.scene.run()

    # MCP servers

    @rule(approval=st.sampled_from(["always", "never"]), labels=st.lists(st.sampled_from(["a", "b"]), unique=True))
    def client_names_servers(self, approval: str, labels: list[str]) -> None:
        tools = [
            {"type": "mcp", "server_label": each, "server_url": "https://x", "require_approval": approval}
            for each in labels
        ]
        assert self.scene.send("session.update", session={"type": "realtime", "tools": tools})

    @rule(data=st.data(), tools=st.none() | st.lists(st.sampled_from(["f", "g"]), unique=True))
    def server_lists_tools(self, data: st.DataObject, tools: list[str] | None) -> None:
        asked = [each.item_id for each in self.scene.effects if isinstance(each, ListMcpTools)]
        listed = None if tools is None else [McpListedTool(name=each) for each in tools]
        self.scene.session.mcp_listed(data.draw(st.sampled_from([*asked, "nobody"])), listed, self.scene.now)
        self.scene.run()

    @rule(data=st.data(), output=st.none() | TEXTS)
    def server_answers(self, data: st.DataObject, output: str | None) -> None:
        asked = [each.item_id for each in self.scene.effects if isinstance(each, CallMcpTool)]
        fault = McpError(type="tool_execution_error", message="no") if output is None else None
        self.scene.session.mcp_called(data.draw(st.sampled_from([*asked, "nobody"])), output, fault, self.scene.now)
        self.scene.run()

    @rule(data=st.data(), approve=st.booleans())
    def client_approves(self, data: st.DataObject, *, approve: bool) -> None:
        request_id = data.draw(st.sampled_from([*self.requests, "nobody"]))
        item = {"type": "mcp_approval_response", "approval_request_id": request_id, "approve": approve}
        assert self.scene.send("conversation.item.create", item=item)

    # Playout and time

    @precondition(lambda self: self.scene.playout)
    @rule(data=st.data(), frames=st.integers(1, 6))
    def playout_goes_on(self, data: st.DataObject, frames: int) -> None:
        queued = [each for each, queue in self.scene.playout.items() if queue.queued_us]
        if queued:
            self.scene.plays(queued[0], frames)

    @rule(seconds=st.sampled_from([0.02, 1.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.scene.waits(seconds)

    # What holds

    @invariant()
    def events_tell_one_story(self) -> None:
        for event in self.scene.events[self.seen :]:
            self._follow(event)
        self.seen = len(self.scene.events)
        # A call of an MCP tool is two entries: the call and what came of it.
        # What a worker that takes over is to hear by itself is not in what it is told.
        again = self.scene.session.turn_again()
        heard = {again.turn.item_id} if again is not None else set()
        assert list(dict.fromkeys(each.item_id for each in self.scene.session.history())) == [
            each for each in self.items if each not in self.unfinished | self.untold | heard
        ]
        assert len(self.in_conversation - set(self.done)) <= 1

    def _follow(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "response.created":
                self.created.append(event["response"]["id"])
                if event["response"]["conversation_id"] is not None:
                    self.in_conversation.add(event["response"]["id"])
            case "response.done":
                assert event["response"]["id"] in self.created
                assert event["response"]["id"] not in self.done or event["response"]["id"] == "unasked"
                self.done.append(event["response"]["id"])
            case "conversation.item.added":
                previous = event["previous_item_id"]
                position = self.items.index(previous) + 1 if previous is not None else 0
                self.items.insert(position, event["item"]["id"])
                kind = event["item"]["type"]
                # Items of MCP servers have no status: they are finished when they are done.
                if event["item"].get("status", "in_progress") == "in_progress":
                    self.unfinished.add(event["item"]["id"])
                if kind in {"mcp_list_tools", "mcp_approval_response"}:
                    self.untold.add(event["item"]["id"])
                if kind == "mcp_approval_request":
                    self.requests.append(event["item"]["id"])
            case "conversation.item.done":
                assert event["item"]["id"] in self.items
                self.unfinished.discard(event["item"]["id"])
            case "conversation.item.deleted":
                self.items.remove(event["item_id"])

    def teardown(self) -> None:
        for _ in range(2):
            # The end of one response may begin the one that a turn is owed.
            self.scene.waits(100.0)
        self.events_tell_one_story()
        assert set(self.created) == set(self.done), "a response has no end"


AnySession.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAnySession = AnySession.TestCase
