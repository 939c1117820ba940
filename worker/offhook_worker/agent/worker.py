"""The agent itself: a cascade whose every part is in this process."""

from pathlib import Path

from offhook_worker.agent.brain.interface import Brain
from offhook_worker.agent.brain.rules import RuleBrain
from offhook_worker.agent.cascade import Cascade, cascade_model
from offhook_worker.agent.local_parts import LocalHearing, LocalSpeaking

MODEL_NAME = "agent"


class VoiceAgent(Cascade):
    """Model `agent`: hears English, answers by rules, speaks with one voice. Ready, warm, when constructed.

    Args:
        models: the directory that `offhook models fetch` fills.
        brain: another one, such as a language model.
        threads: of recognition and of synthesis, each.

    Raises:
        FileNotFoundError: a model file is missing.
    """

    def __init__(self, models: Path, *, brain: Brain | None = None, threads: int = 1) -> None:
        speaking = LocalSpeaking(threads)
        super().__init__(
            (cascade_model(MODEL_NAME, LocalSpeaking.sample_rate_hz),),
            LocalHearing(models, threads),
            brain or RuleBrain(),
            speaking,
            ahead=speaking if brain is None else None,
        )
