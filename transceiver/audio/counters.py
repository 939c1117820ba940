"""What media as samples has cost and lost, for the whole process."""

from dataclasses import dataclass


@dataclass(slots=True)
class AudioCounters:
    """Only ever grow.

    Attributes:
        frames: of callers that came.
        heard_us: how long they last.
        target_us: what a missing packet was given at their time, summed over them.
        concealed_us: audio that stands in for packets that were lost or late.
        silence_us: silence of which the client sent nothing (DTX), or that came in place of a longer loss.
        inserted_us: concealment whose packets came after all: they are heard late rather than not at all.
        removed_us: silence left out to make up for that.
        shed_us: audio not decoded because too much of its stream was waiting (drop_newest): heard as silence.
        corrupt_frames: payloads that are no frame of the codec, and are concealed.
        discontinuities: leaps of a client's timestamps that no silence is made for.
        decoded_pieces, encoded_frames: what the threads have done.
        flushed_frames: encoded frames that a flush dropped.
        codec_seconds: how long the threads were at it.
        listener_faults: errors in code that listens to samples.
    """

    frames: int = 0
    heard_us: int = 0
    target_us: int = 0
    concealed_us: int = 0
    silence_us: int = 0
    inserted_us: int = 0
    removed_us: int = 0
    shed_us: int = 0
    corrupt_frames: int = 0
    discontinuities: int = 0
    decoded_pieces: int = 0
    encoded_frames: int = 0
    flushed_frames: int = 0
    codec_seconds: float = 0.0
    listener_faults: int = 0
