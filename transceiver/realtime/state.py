"""The parts of one session, as those who act on them share them."""

from dataclasses import dataclass

from transceiver.realtime.configuration import Configuration
from transceiver.realtime.conversation import Conversation
from transceiver.realtime.effects import Outbox
from transceiver.realtime.input_audio import InputAudioBuffer
from transceiver.realtime.mcp import McpTools
from transceiver.realtime.model import ModelTraits
from transceiver.realtime.responses import Responses
from transceiver.realtime.transport import Transport


@dataclass(slots=True)
class SessionState:
    """What a session consists of. `now` is in monotonic seconds, kept by the session at every input."""

    model: ModelTraits
    transport: Transport
    outbox: Outbox
    configuration: Configuration
    conversation: Conversation
    input_audio: InputAudioBuffer
    mcp: McpTools
    responses: Responses
    now: float = 0.0
