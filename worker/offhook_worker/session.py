"""One call, as its author's code sees it."""

import asyncio
from collections.abc import AsyncIterator, Callable

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.audio import Audio
from offhook_worker.counters import InputDrop, WorkerCounters
from offhook_worker.decode import decode
from offhook_worker.encode import encode
from offhook_worker.events import Closed, CloseReason, ConfigUpdated, Event
from offhook_worker.inbox import Inbox
from offhook_worker.model import read_format
from offhook_worker.options import ServeOptions
from offhook_worker.outbox import Outbox
from offhook_worker.outputs import Output, ResponseDone


class Session:
    """Given to `VoiceWorker.on_session`. Iterate over it for events; yield outputs to answer.

    Attributes:
        call_id: the call's id, for logs.
        model: the model that was asked for, one of the worker's.
        input_format: what `Audio.payload` holds when read.
        output_format: what it must hold when yielded.
        config: what the caller asked of the model (`SessionConfig` of the protocol); unset fields mean the worker's
            own default. Replaced when a ConfigUpdated is read.
        history: the conversation so far, when a live session moved here from another worker.
        traceparent: of the call's trace (W3C Trace Context); empty where the transceiver keeps none.
    """

    def __init__(
        self,
        number: int,
        opening: worker_pb2.SessionOpen,
        *,
        options: ServeOptions,
        outbox: Outbox,
        counters: WorkerCounters,
        note_delay: Callable[[float], None],
    ) -> None:
        self.call_id = opening.call_id
        self.model = opening.model
        self.input_format = read_format(opening.input_format)
        self.output_format = read_format(opening.output_format)
        self.config = opening.config
        self.history = tuple(opening.history)
        self.traceparent = opening.traceparent
        self._number = number
        self._options = options
        self._outbox = outbox
        self._counters = counters
        self._note_delay = note_delay
        self._inbox = Inbox(options.input_window_ms * 1000, options.input_policy)
        self._output_credit_us = opening.output_credit_ms * 1000
        self._progress = asyncio.Event()
        self._closed_by: CloseReason | None = None
        self._told_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether the call is over, even where Closed was not read yet."""
        return self._closed_by is not None

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        """The next event; after Closed there is none."""
        while not self._inbox and not self.is_closed:
            await self._wait_progress()
        if self._inbox:
            return self._read()
        if self._closed_by is not None and not self._told_closed:
            self._told_closed = True
            return Closed(self._closed_by)
        raise StopAsyncIteration

    async def deliver(self, output: Output) -> None:
        """Sends an output, as yielding it does, from any task of the session.

        Waits for credit (audio) or until it left (everything else). After the call is over it discards.

        Raises:
            TypeError, ValueError: not an output, or one that the protocol cannot carry.
        """
        message = encode(output)
        if message.ByteSize() > self._options.max_message_bytes // 2:
            raise ValueError("an output does not fit into a message of the link")
        if isinstance(output, Audio):
            while self._output_credit_us <= 0 and not self.is_closed:
                await self._wait_progress()
        if self.is_closed:
            self._counters.drops[InputDrop.SESSION_CLOSED] += 1
            # Code that yields without ever waiting must not hold the loop on which it will be cancelled.
            await asyncio.sleep(0)
        elif isinstance(output, Audio):
            self._output_credit_us -= output.duration_us
            self._counters.audio_frames_sent += 1
            self.send(message, at_once=False)
        else:
            if isinstance(output, ResponseDone):
                self._counters.answered(output.stage_latency_ms)
            message.session = self._number
            await self._outbox.put_and_wait(message)

    # -- used by the stream that carries the session -----------------------------------------------------------------

    def receive(self, message: worker_pb2.SessionInput, now: float) -> None:
        """An input from the transceiver, neither open nor close.

        Raises:
            InboxOverflow: the session's code does not read.
        """
        if message.HasField("credit"):
            self._output_credit_us += message.credit.audio_ms * 1000
            self._progress.set()
            return
        try:
            event = decode(message)
        except ValueError:
            self._counters.drops[InputDrop.MALFORMED_INPUT] += 1
            return
        if isinstance(event, Audio):
            self._counters.audio_frames_received += 1
        if dropped := self._inbox.put(event, now):
            self._counters.drops[InputDrop.QUEUE_FULL] += dropped
        self._progress.set()

    def close(self, reason: CloseReason) -> None:
        """The call is over; what was not read yet is void. Closing twice keeps the first reason."""
        if self._closed_by is None:
            self._closed_by = reason
            self._inbox.clear()
            self._progress.set()

    def send(self, message: worker_pb2.SessionOutput, *, at_once: bool = True) -> None:
        """Sends an output without waiting; the caller bounds how many there are."""
        if not self.is_closed:
            message.session = self._number
            self._outbox.put(message, at_once=at_once)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _read(self) -> Event:
        event, waited_s = self._inbox.take(asyncio.get_running_loop().time())
        self._note_delay(waited_s)
        if isinstance(event, Audio) and (grant_ms := self._inbox.take_grant_ms()):
            self.send(
                worker_pb2.SessionOutput(credit=worker_pb2.Credit(audio_ms=grant_ms)),
                at_once=False,
            )
        elif isinstance(event, ConfigUpdated):
            self.config = event.config
        return event

    async def _wait_progress(self) -> None:
        self._progress.clear()
        await self._progress.wait()
