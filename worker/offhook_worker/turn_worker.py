"""A worker that answers turns: the fabric says when, the author says what."""

from abc import abstractmethod
from collections.abc import AsyncIterator

from offhook_worker.dialogue import Dialogue
from offhook_worker.outputs import Output
from offhook_worker.replies import Reply
from offhook_worker.session import Session
from offhook_worker.turn import Listener, Turn
from offhook_worker.worker import VoiceWorker


class TurnWorker(VoiceWorker):
    """The smallest class that can be a voice model: one method that answers.

    The conversation, turns, interruptions and the bookkeeping of responses are taken care of. Take and give PCM
    (`Model("m", (pcm(16_000),), (pcm(24_000),))`) to have the caller's audio by turn and to yield `Speech`.
    """

    @abstractmethod
    def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        """Answers: an async generator of speech, text and function calls.

        It is cancelled where it stands (asyncio.CancelledError) when the caller interrupts or hangs up. An exception
        fails this answer, not the call.
        """

    def listen(self, dialogue: Dialogue) -> Listener:
        """A new call's ear. `dialogue` can start tasks, send outputs and speak unasked."""
        return Listener()

    def on_session(self, session: Session) -> AsyncIterator[Output]:
        """Serves one call."""
        return Dialogue(session, self.respond, self.listen)
