"""The Realtime API's turn detection as turn taking understands it."""

from transceiver.realtime.schema import session as schema
from transceiver.turns import interface as turns


def turn_settings(wanted: schema.TurnDetection | None) -> turns.TurnDetection:
    """Translates. What is done about a turn (create, interrupt) is not turn taking's business."""
    match wanted:
        case None:
            return None
        case schema.ServerVad():
            return turns.ServerVad(
                threshold=wanted.threshold,
                prefix_padding_ms=wanted.prefix_padding_ms,
                silence_duration_ms=wanted.silence_duration_ms,
                idle_timeout_ms=wanted.idle_timeout_ms,
            )
        case schema.SemanticVad():
            return turns.SemanticVad(turns.Eagerness(wanted.eagerness))
