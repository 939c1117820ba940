"""Put a voice model behind an offhook fabric: subclass `TurnWorker` (or `VoiceWorker`), call `serve`."""

from offhook_worker.audio import Audio
from offhook_worker.conversation import Conversation, FunctionCalled, Item, Message
from offhook_worker.counters import InputDrop, WorkerCounters
from offhook_worker.dialogue import Dialogue
from offhook_worker.events import (
    Closed,
    CloseReason,
    ConfigUpdated,
    Dtmf,
    Event,
    HistoryEdited,
    ImageInput,
    Interrupted,
    Playout,
    ResponseItem,
    ResponseRequested,
    Role,
    TextInput,
    ToolResult,
    TurnEvent,
    TurnKind,
)
from offhook_worker.model import (
    OPUS,
    PCMA,
    PCMU,
    AudioFormat,
    Capability,
    Codec,
    Model,
    pcm,
)
from offhook_worker.options import DropPolicy, ServeOptions
from offhook_worker.outputs import (
    Error,
    Flush,
    FunctionCall,
    InputTranscription,
    Output,
    ResponseDone,
    ResponseStarted,
    Status,
    Text,
    Transcript,
)
from offhook_worker.replies import AnswerFailed, CallFunction, Reply, Speech, Word
from offhook_worker.sentences import sentences
from offhook_worker.server import WorkerServer, run, serve
from offhook_worker.session import Session
from offhook_worker.tls import TlsFiles
from offhook_worker.turn import Listener, Turn
from offhook_worker.turn_worker import TurnWorker
from offhook_worker.utterance import Utterance
from offhook_worker.worker import Load, Reject, RejectReason, VoiceWorker

__all__ = [
    "OPUS",
    "PCMA",
    "PCMU",
    "AnswerFailed",
    "Audio",
    "AudioFormat",
    "CallFunction",
    "Capability",
    "CloseReason",
    "Closed",
    "Codec",
    "ConfigUpdated",
    "Conversation",
    "Dialogue",
    "DropPolicy",
    "Dtmf",
    "Error",
    "Event",
    "Flush",
    "FunctionCall",
    "FunctionCalled",
    "HistoryEdited",
    "ImageInput",
    "InputDrop",
    "InputTranscription",
    "Interrupted",
    "Item",
    "Listener",
    "Load",
    "Message",
    "Model",
    "Output",
    "Playout",
    "Reject",
    "RejectReason",
    "Reply",
    "ResponseDone",
    "ResponseItem",
    "ResponseRequested",
    "ResponseStarted",
    "Role",
    "ServeOptions",
    "Session",
    "Speech",
    "Status",
    "Text",
    "TextInput",
    "TlsFiles",
    "ToolResult",
    "Transcript",
    "Turn",
    "TurnEvent",
    "TurnKind",
    "TurnWorker",
    "Utterance",
    "VoiceWorker",
    "Word",
    "WorkerCounters",
    "WorkerServer",
    "pcm",
    "run",
    "sentences",
    "serve",
]
