"""What a run is pointed at."""

from dataclasses import dataclass

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.check.endpoint import ClientTls, Endpoint


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How a run is made.

    Attributes:
        model: the model to call; empty: the first that the worker names.
        answer_s: how long an answer may take until it is complete.
        settle_s: how long the seats of calls that are over may still be counted.
        sessions: calls at once in the check of many.
        speech: 16-bit mono PCM that is said to the model; empty: a sound with the rhythm of speech.
        speech_rate_hz: its sample rate.
        question: what is typed to a model that reads.
        pid: the worker's process, on this machine, which is sent SIGTERM at the end to see how it drains; 0: it is not.
        tls: how a worker is spoken to that serves TLS.
    """

    model: str = ""
    answer_s: float = 20.0
    settle_s: float = 10.0
    sessions: int = 20
    speech: bytes = b""
    speech_rate_hz: int = 16_000
    question: str = "What time is it?"
    pid: int = 0
    tls: ClientTls | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """The worker under check, once it has said hello."""

    endpoint: Endpoint
    options: CheckOptions
    hello: worker_pb2.WorkerHello
    model: worker_pb2.Model

    def can(self, capability: worker_pb2.Capability.ValueType) -> bool:
        """Whether the model says that it can."""
        return capability in self.model.capabilities

    @property
    def input_format(self) -> worker_pb2.AudioFormat:
        """What the run speaks: of the model's formats the one that can be made with the least."""
        order = (worker_pb2.CODEC_PCM_S16LE, worker_pb2.CODEC_PCMU, worker_pb2.CODEC_PCMA, worker_pb2.CODEC_OPUS)
        known = [each for each in self.model.input_formats if each.codec in order]
        return min(known, key=lambda each: order.index(each.codec))

    @property
    def output_format(self) -> worker_pb2.AudioFormat:
        """What it wants to hear: its own format where the model gives it (an echo must), else the model's first."""
        if self.input_format in self.model.output_formats:
            return self.input_format
        return self.model.output_formats[0]
