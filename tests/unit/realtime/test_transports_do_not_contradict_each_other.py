"""The same client on a data channel and on a WebSocket, step by step: they differ only in how audio travels."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.realtime_scene import FRAME_US, RealtimeScene
from tests.support.told_events import ToldEvents
from transceiver.realtime.transport import DATA_CHANNEL, WEBSOCKET

IDS = st.sampled_from(["a", "b", "c", "root", "nope"])
TEXTS = st.text("ab ", max_size=8)
MESSAGES = st.fixed_dictionaries(
    {
        "type": st.just("message"),
        "role": st.sampled_from(["user", "system", "assistant"]),
        "content": st.lists(
            st.fixed_dictionaries({"type": st.sampled_from(["input_text", "output_text"]), "text": TEXTS}), max_size=2
        ),
    },
    optional={"id": IDS},
)
OUTPUTS = st.fixed_dictionaries(
    {"type": st.just("function_call_output"), "call_id": st.sampled_from(["call_1", "call_2"]), "output": TEXTS}
)
SESSIONS = st.fixed_dictionaries(
    {"type": st.sampled_from(["realtime", "transcription"])},
    optional={
        "instructions": st.none() | TEXTS,
        "output_modalities": st.sampled_from([["text"], ["audio"], ["text", "audio"], ["video"]]),
        "tools": st.just([{"type": "function", "name": "f"}]) | st.just([{"type": "function"}]),
        "audio": st.fixed_dictionaries(
            {},
            optional={
                "input": st.fixed_dictionaries(
                    {"turn_detection": st.sampled_from([None, {"type": "server_vad"}, {"type": "psychic"}])}
                ),
                "output": st.fixed_dictionaries({"speed": st.sampled_from([1.0, 9.0])}),
            },
        ),
    },
)
RESPONSES = st.fixed_dictionaries(
    {},
    optional={
        "conversation": st.sampled_from(["auto", "none", "other"]),
        "output_modalities": st.sampled_from([["text"], ["audio"]]),
        "metadata": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "input": st.lists(MESSAGES, max_size=2),
    },
)


BARE = st.sampled_from(["input_audio_buffer.clear", "input_audio_buffer.commit", "response.cancel", "invented"])


class TwoClients(RuleBasedStateMachine):
    """One session on each transport. Nobody is interrupted by voice: that is where they may differ."""

    def __init__(self) -> None:
        super().__init__()
        self.scenes = [RealtimeScene(transport=each).open() for each in (DATA_CHANNEL, WEBSOCKET)]
        self.told = [ToldEvents(), ToldEvents()]
        self.asked = 0
        self.media_us = 0

    def _both(self, events: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
        first, second = (told.of(each) for told, each in zip(self.told, events, strict=True))
        assert first == second
        return events[0]

    def _send(self, kind: str, **fields: object) -> list[dict[str, Any]]:
        return self._both([scene.send(kind, **fields) for scene in self.scenes])

    @rule(session=SESSIONS)
    def updates(self, session: dict[str, Any]) -> None:
        (event,) = self._send("session.update", session=session)
        assert event["type"] in {"session.updated", "error"}

    @rule(item=MESSAGES | OUTPUTS, previous=st.none() | IDS)
    def creates_item(self, item: dict[str, Any], previous: str | None) -> None:
        assert self._send("conversation.item.create", item=item, previous_item_id=previous)

    @rule(item_id=IDS, kind=st.sampled_from(["retrieve", "delete"]))
    def asks_for_item(self, item_id: str, kind: str) -> None:
        assert self._send(f"conversation.item.{kind}", item_id=item_id)

    @rule(item_id=IDS, end_ms=st.integers(-1, 50))
    def truncates(self, item_id: str, end_ms: int) -> None:
        assert self._send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=end_ms)

    @rule(
        kind=st.sampled_from(["input_audio_buffer.clear", "input_audio_buffer.commit", "response.cancel", "invented"])
    )
    def sends(self, kind: str) -> None:
        assert self._send(kind)

    @rule(response=RESPONSES)
    def asks(self, response: dict[str, Any]) -> None:
        self.asked += 1
        (event,) = self._send("response.create", response=response, event_id=f"ask_{self.asked}")
        assert event["type"] == "response.created" or event["error"]["event_id"] == f"ask_{self.asked}"

    @rule(text=TEXTS, frames=st.integers(0, 3))
    def model_speaks(self, text: str, frames: int) -> None:
        self._both([scene.speaks(_last_asked(scene), text, frames) for scene in self.scenes])

    @rule(text=TEXTS)
    def model_writes(self, text: str) -> None:
        self._both([_writes(scene, text) for scene in self.scenes])

    @rule(status=st.sampled_from(pb.ResponseDone.Status.values()))
    def model_finishes(self, status: "pb.ResponseDone.Status.ValueType") -> None:
        self._both([scene.finishes(_last_asked(scene), status=status) for scene in self.scenes])

    @rule(seconds=st.sampled_from([0.02, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self._both([scene.waits(seconds) for scene in self.scenes])

    @rule(frames=st.integers(1, 20))
    def audio_comes(self, frames: int) -> None:
        self.media_us += frames * FRAME_US
        for scene in self.scenes:
            scene.session.audio_received(self.media_us)


def _last_asked(scene: RealtimeScene) -> str:
    requests = scene.told("response_request")
    return requests[-1].response_id if requests else "nobody"


def _writes(scene: RealtimeScene, text: str) -> list[dict[str, Any]]:
    return scene.worker(text=pb.TextDelta(response_id=_last_asked(scene), delta=text))


TwoClients.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTwoClients = TwoClients.TestCase
