"""The reference worker: every frame comes back untouched. For diagnosis, tests and benchmarks."""

from collections.abc import AsyncIterator

from offhook_worker.audio import Audio
from offhook_worker.events import ResponseRequested
from offhook_worker.model import OPUS, PCMA, PCMU, Model
from offhook_worker.outputs import Output, ResponseDone
from offhook_worker.session import Session
from offhook_worker.worker import VoiceWorker


class EchoWorker(VoiceWorker):
    """Model `echo`, in the caller's own codec, so that nothing is decoded or encoded on the way."""

    models = (Model("echo", input_formats=(OPUS, PCMU, PCMA), output_formats=(OPUS, PCMU, PCMA)),)

    async def on_session(self, session: Session) -> AsyncIterator[Output]:
        """Yields every frame as it was read."""
        async for event in session:
            if isinstance(event, Audio):
                yield event
            elif isinstance(event, ResponseRequested):
                # An echo answers nothing, and says so rather than let the caller wait.
                yield ResponseDone(event.response_id)
