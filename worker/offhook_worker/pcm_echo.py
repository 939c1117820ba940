"""The reference worker for samples: what the caller said comes back, decoded and encoded by the fabric on the way."""

from collections.abc import AsyncIterator

from offhook_worker.audio import Audio
from offhook_worker.events import ResponseRequested
from offhook_worker.model import Model, pcm
from offhook_worker.outputs import Output, ResponseDone
from offhook_worker.session import Session
from offhook_worker.worker import VoiceWorker


def _at(name: str, sample_rate_hz: int) -> Model:
    return Model(name, input_formats=(pcm(sample_rate_hz),), output_formats=(pcm(sample_rate_hz),))


class PcmEchoWorker(VoiceWorker):
    """Model `pcm-echo` at 16 kHz, and `pcm-echo-8000`, `-16000`, `-24000` and `-48000` at the rate in the name."""

    models = (_at("pcm-echo", 16_000), *(_at(f"pcm-echo-{rate}", rate) for rate in (8_000, 16_000, 24_000, 48_000)))

    async def on_session(self, session: Session) -> AsyncIterator[Output]:
        """Yields all samples as they were read."""
        async for event in session:
            if isinstance(event, Audio):
                yield event
            elif isinstance(event, ResponseRequested):
                # An echo answers nothing, and says so rather than let the caller wait.
                yield ResponseDone(event.response_id)
