"""A worker that wants PCM: the transceiver decodes what it hears and encodes what it says."""

from collections.abc import AsyncIterator

from offhook_worker import Audio, Model, Output, Session, VoiceWorker, pcm

RATE_HZ = 16_000


class PcmEchoWorker(VoiceWorker):
    """Model `pcm`: every frame comes back as the samples that it was."""

    models = (Model("pcm", input_formats=(pcm(RATE_HZ),), output_formats=(pcm(RATE_HZ),)),)

    async def on_session(self, session: Session) -> AsyncIterator[Output]:
        """Yields every frame as it was read."""
        async for event in session:
            if isinstance(event, Audio):
                yield event
