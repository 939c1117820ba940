"""A call to a worker that answers turns, with the fabric's part of the protocol played by the test."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.worker_scene import DEADLINE_S, HandTransceiver, until

PCM_IN = pb.AudioFormat(codec=pb.CODEC_PCM_S16LE, sample_rate_hz=16_000, channels=1)
PCM_OUT = pb.AudioFormat(codec=pb.CODEC_PCM_S16LE, sample_rate_hz=24_000, channels=1)
FRAME_BYTES = 640
FRAME_US = 20_000
SILENCE = bytes(FRAME_BYTES)


@dataclass
class Answered:
    """One response, as the caller got it."""

    done: pb.ResponseDone
    frames: list[pb.AudioFrame] = field(default_factory=list)
    words: list[pb.TranscriptDelta] = field(default_factory=list)
    text: str = ""
    calls: list[pb.FunctionCallDelta] = field(default_factory=list)

    @property
    def transcript(self) -> str:
        """What was said, in words."""
        return "".join(each.delta for each in self.words)

    @property
    def pcm(self) -> bytes:
        """What was said, as sound."""
        return b"".join(frame.payload for frame in self.frames)


class TurnCaller:
    """One session: speaks PCM, decides turns, asks for answers."""

    def __init__(self, transceiver: HandTransceiver, number: int = 1, patience_s: float = DEADLINE_S) -> None:
        self.transceiver = transceiver
        self._patience_s = patience_s
        self.number = number
        self.at_us = 0
        self._frame_bytes = FRAME_BYTES
        self._turns = 0
        self._responses = 0

    async def open(
        self,
        model: str,
        config: pb.SessionConfig | None = None,
        *,
        output_credit_ms: int = 600_000,
        input_format: pb.AudioFormat = PCM_IN,
        history: Sequence[pb.HistoryItem] = (),
    ) -> None:
        """Opens the session and waits until it is accepted."""
        self._frame_bytes = 2 * input_format.sample_rate_hz * FRAME_US // 1_000_000
        await self.transceiver.open(
            self.number,
            model,
            output_credit_ms,
            input_format=input_format,
            output_format=PCM_OUT,
            config=config,
            history=history,
        )
        await until(lambda: bool(self.transceiver.of_kind("accept", self.number)))

    async def send(self, **content: object) -> None:
        """One input of this session."""
        await self.transceiver.send(pb.SessionInput(session=self.number, **content))  # type: ignore[arg-type]

    async def speak(self, pcm: bytes, frames_at_once: int = 5) -> None:
        """Input audio, as fast as the link takes it."""
        frames = list(self._frames(pcm))
        for index in range(0, len(frames), frames_at_once):
            await self.transceiver.send(*frames[index : index + frames_at_once])

    async def say(self, pcm: bytes, silence_frames: int = 10) -> str:
        """A whole turn: speech, silence, commit. Returns its item id."""
        start_us = self.at_us
        item_id = await self.begin_turn(start_us)
        await self.speak(pcm)
        await self.speak(bytes(self._frame_bytes * silence_frames))
        return await self.commit(item_id, start_us)

    async def begin_turn(self, start_us: int) -> str:
        """The fabric hears speech; returns the id of the turn's item."""
        self._turns += 1
        item_id = f"item_{self.number}_{self._turns}"
        await self.turn(pb.TurnEvent.KIND_SPEECH_STARTED, item_id, start_us)
        return item_id

    async def commit(self, item_id: str, start_us: int) -> str:
        """The fabric ends the turn here."""
        await self.turn(pb.TurnEvent.KIND_SPEECH_STOPPED, item_id, start_us, self.at_us)
        await self.turn(pb.TurnEvent.KIND_COMMITTED, item_id, start_us, self.at_us)
        return item_id

    async def turn(self, kind: pb.TurnEvent.Kind.ValueType, item_id: str, start_us: int, end_us: int = 0) -> None:
        """One turn event."""
        await self.send(turn=pb.TurnEvent(kind=kind, item_id=item_id, start_us=start_us, end_us=end_us))

    async def type(self, text: str, role: pb.Role.ValueType = pb.ROLE_USER) -> None:
        """A typed message."""
        self._turns += 1
        await self.send(text=pb.TextInput(item_id=f"item_{self.number}_{self._turns}", role=role, text=text))

    async def request(self, **request: object) -> str:
        """Asks for an answer; returns its id."""
        self._responses += 1
        response_id = f"resp_{self.number}_{self._responses}"
        await self.send(response_request=pb.ResponseRequest(response_id=response_id, **request))  # type: ignore[arg-type]
        return response_id

    async def answer(self, **request: object) -> Answered:
        """Asks for an answer and waits for the whole of it."""
        return await self.whole(await self.request(**request))

    async def ask(self, text: str, **request: object) -> Answered:
        """A typed message and its answer."""
        await self.type(text)
        return await self.answer(**request)

    async def whole(self, response_id: str) -> Answered:
        """Waits until a response is done; returns it."""
        await until(lambda: self.done(response_id) is not None, self._patience_s)
        return self.so_far(response_id)

    def done(self, response_id: str) -> pb.ResponseDone | None:
        """How a response ended, if it did."""
        for output in self.transceiver.of_kind("response_done", self.number):
            if output.response_done.response_id == response_id:
                return output.response_done
        return None

    def so_far(self, response_id: str) -> Answered:
        """What has come of a response."""
        answered = Answered(self.done(response_id) or pb.ResponseDone())
        for output in self._outputs():
            kind = output.WhichOneof("output")
            if kind is None or getattr(getattr(output, kind), "response_id", None) != response_id:
                continue
            match kind:
                case "audio":
                    answered.frames.append(output.audio)
                case "transcript":
                    answered.words.append(output.transcript)
                case "text":
                    answered.text += output.text.delta
                case "function_call":
                    answered.calls.append(output.function_call)
        return answered

    def transcription(self, item_id: str) -> pb.InputTranscription | None:
        """The finished transcript of a turn of the caller's, if it came."""
        for output in self.transceiver.of_kind("input_transcription", self.number):
            words = output.input_transcription
            if words.item_id == item_id and (words.done or words.HasField("error")):
                return words
        return None

    def _outputs(self) -> Iterable[pb.SessionOutput]:
        return (output for output in self.transceiver.outputs if output.session == self.number)

    def _frames(self, pcm: bytes) -> Iterable[pb.SessionInput]:
        for offset in range(0, len(pcm), self._frame_bytes):
            payload = pcm[offset : offset + self._frame_bytes]
            duration_us = FRAME_US * len(payload) // self._frame_bytes
            frame = pb.AudioFrame(payload=payload, media_time_us=self.at_us, duration_us=duration_us)
            yield pb.SessionInput(session=self.number, audio=frame)
            self.at_us += duration_us
