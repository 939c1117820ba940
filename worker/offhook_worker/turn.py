"""One answer to give, and one call's ear: what a `TurnWorker` is handed and what it may hand back."""

import asyncio
from collections.abc import Mapping

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.conversation import Item, Message
from offhook_worker.events import Event, Role
from offhook_worker.outputs import Status
from offhook_worker.session import Session
from offhook_worker.utterance import Utterance

STAGE_RECOGNITION, STAGE_MODEL, STAGE_SPEECH = "recognition", "model", "speech"


class Turn:
    """One answer to give.

    Attributes:
        session: the call.
        listener: the call's ear, as `TurnWorker.listen` made it.
        response_id: the answer's id; whatever `respond` yields carries it.
        config: what the caller asked of this answer; unset fields mean the worker's own default.
        conversation: everything so far, the turn to answer included.
        out_of_band: the answer is no part of the conversation.
        metadata: the application's.
        wants_speech: the caller wants to hear the answer; otherwise to read it.
        usage: what the answer costs. Add to it; seconds of output audio are counted for you.
        status: how the answer ends if `respond` returns; set it for an answer that is not complete.
        stage_latency_ms: time to the first audio by stage, see `mark`.
    """

    def __init__(
        self,
        session: Session,
        request: worker_pb2.ResponseRequest,
        listener: "Listener",
        requested_at: float,
    ) -> None:
        self.session = session
        self.listener = listener
        self.response_id = request.response_id
        self.config = request.config if request.HasField("config") else session.config
        self.conversation: tuple[Item, ...] = ()
        self.out_of_band = request.out_of_band
        self.metadata: Mapping[str, str] = dict(request.metadata)
        self.wants_speech = list(self.config.output_modalities) != [worker_pb2.MODALITY_TEXT]
        self.usage = worker_pb2.Usage()
        self.status = Status.COMPLETED
        self.stage_latency_ms: dict[str, float] = {}
        self._marked_at = requested_at

    @property
    def audio(self) -> Utterance | None:
        """What the caller said last, if that is what is to be answered; None after a typed message."""
        for item in reversed(self.conversation):
            if isinstance(item, Message) and item.role is Role.USER:
                return item.audio
        return None

    @property
    def text(self) -> str:
        """What the caller typed or said last (said: where `Listener.transcript` tells)."""
        for item in reversed(self.conversation):
            if isinstance(item, Message) and item.role is Role.USER:
                return item.text
        return ""

    def mark(self, stage: str) -> None:
        """A stage of the way to the first audio ends now; the first mark of each counts.

        "recognition" and the last stage are marked for you: call this with "model" where there is text before there is
        speech.
        """
        now = asyncio.get_running_loop().time()
        if stage not in self.stage_latency_ms:
            self.stage_latency_ms[stage] = (now - self._marked_at) * 1000
            self._marked_at = now


class Listener:
    """One call's ear, for a worker that wants to hear while the caller still speaks. This one ignores everything.

    Its methods run on the event loop, before the event has any other effect.
    """

    def event(self, event: Event) -> None:
        """Every event of the call, audio included."""

    async def transcript(self, item_id: str, utterance: Utterance) -> str | None:
        """The words of a turn that was just committed; None: this worker transcribes nothing.

        `respond` for that turn waits for it, and the caller is told if the session wants transcripts.
        """
        return None
