"""What the semantics need to know of the model that serves a session."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from offhook_proto.worker.v1 import worker_pb2


@dataclass(frozen=True, slots=True)
class ModelTraits:
    """One model, by what its worker said of it.

    Attributes:
        converses: takes turns and answers them. One that does not (an echo) passes audio through; nothing is detected,
            interrupted or asked of it unless the client says so.
        detects_turns: decides itself when the caller has finished, and answers unasked.
    """

    name: str
    converses: bool
    detects_turns: bool
    sees_images: bool

    @classmethod
    def of(cls, name: str, capabilities: Iterable["worker_pb2.Capability.ValueType"]) -> Self:
        """From the capabilities that a worker lists; none at all mean audio in, audio out."""
        known = set(capabilities)
        return cls(
            name=name,
            converses=bool(known),
            detects_turns=worker_pb2.CAPABILITY_OWN_TURN_DETECTION in known,
            sees_images=worker_pb2.CAPABILITY_IMAGE_INPUT in known,
        )
