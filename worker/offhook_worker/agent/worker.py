"""The agent itself: ear, brain and voice joined for any number of calls."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from offhook_worker.agent.brain.interface import Brain, ForgetReminders, Remind, Reminder, ToolCall
from offhook_worker.agent.brain.rules import RuleBrain
from offhook_worker.agent.ear import Ear
from offhook_worker.agent.moonshine import Moonshine
from offhook_worker.agent.pool import FairPool, Urgency
from offhook_worker.agent.prompts import count_words, read_prompt
from offhook_worker.agent.recogniser import Recogniser
from offhook_worker.agent.reminders import Reminders, Say
from offhook_worker.agent.thoughts import Thoughts
from offhook_worker.agent.voice import Voice
from offhook_worker.dialogue import Dialogue
from offhook_worker.events import Event
from offhook_worker.model import Capability, Model, pcm
from offhook_worker.replies import CallFunction, Reply
from offhook_worker.sentences import sentences
from offhook_worker.turn import STAGE_MODEL, Listener, Turn
from offhook_worker.turn_worker import TurnWorker
from offhook_worker.utterance import Utterance
from offhook_worker.worker import Load

MODEL_NAME = "agent"
MOONSHINE_DIRECTORY = "moonshine-tiny-en"
FIRST_PIECE_CHARACTERS = 45
"""Three seconds of speech, in which the rest is made: what the caller waits for should not be more."""


class VoiceAgent(TurnWorker):
    """Model `agent`: hears English, answers by rules, speaks with one voice. Ready, warm, when constructed.

    Args:
        models: the directory that `offhook models fetch` fills.
        brain: another one, such as a language model.
        threads: of recognition and of synthesis, each.

    Raises:
        FileNotFoundError: a model file is missing.
    """

    models = (
        Model(
            MODEL_NAME,
            input_formats=(pcm(16_000),),
            output_formats=(pcm(24_000),),
            capabilities=frozenset(
                {
                    Capability.TEXT_INPUT,
                    Capability.TEXT_OUTPUT,
                    Capability.INPUT_TRANSCRIPTION,
                    Capability.FUNCTION_CALLS,
                    Capability.HISTORY,
                }
            ),
        ),
    )

    def __init__(self, models: Path, *, brain: Brain | None = None, threads: int = 1) -> None:
        self._hearing = FairPool("recognition", threads)
        self._speaking = FairPool("synthesis", threads)
        self._recogniser = Recogniser(Moonshine(models / MOONSHINE_DIRECTORY), self._hearing)
        self._voice = Voice()
        self._brain = brain or RuleBrain()
        self._spoken_s = self._counted_s = 0.0
        self._recogniser.warm_up()
        self._voice.warm_up()

    def listen(self, dialogue: Dialogue) -> Listener:
        """A call begins."""
        return AgentCall(dialogue, self._recogniser, self._remind)

    async def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        """Answers sentence by sentence, while the brain still thinks."""
        assert isinstance(turn.listener, AgentCall)
        reminders = turn.listener.reminders
        prompt = read_prompt(turn, reminders.pending)
        turn.usage.input_text_tokens = count_words(prompt.conversation, prompt.instructions)
        thoughts = Thoughts(turn, self._brain.stream(prompt))
        async for sentence in sentences(thoughts.text(), longest_first=FIRST_PIECE_CHARACTERS):
            turn.mark(STAGE_MODEL)
            async for reply in self._say(turn, sentence):
                yield reply
        for action in thoughts.actions:
            match action:
                case ToolCall():
                    yield CallFunction(action.name, json.dumps(action.arguments))
                case Remind():
                    reminders.add(action.reminder)
                case ForgetReminders():
                    reminders.clear()

    async def _say(self, turn: Turn, sentence: str) -> AsyncIterator[Reply]:
        """One sentence, spoken or written."""
        if not turn.wants_speech:
            yield sentence
            return
        speak = partial(self._voice.speak, sentence, turn.config.speed or 1.0)
        spoken = await self._speaking.run(turn.session, speak, Urgency.CALLER_WAITS)
        self._spoken_s += spoken.duration_s
        yield spoken.speech

    def load(self) -> Load:
        """Of the busier of the two pools."""
        hearing, speaking = self._hearing.load(), self._speaking.load()
        audio_s = self._recogniser.audio_s + self._spoken_s
        period_audio_s, self._counted_s = audio_s - self._counted_s, audio_s
        compute_s = hearing.compute_s + speaking.compute_s
        return Load(
            utilization=max(hearing.utilization, speaking.utilization),
            real_time_factor=compute_s / period_audio_s if period_audio_s > 0 else 0.0,
            queue_delay_ms=max(hearing.queue_delay_ms, speaking.queue_delay_ms),
        )

    async def _remind(self, reminder: Reminder, turn: Turn) -> AsyncIterator[Reply]:
        async for reply in self._say(turn, reminder.label):
            yield reply


class AgentCall(Listener):
    """What the agent keeps of one call."""

    def __init__(self, dialogue: Dialogue, recogniser: Recogniser, say: Say) -> None:
        self._ear = Ear(dialogue, recogniser)
        self.reminders = Reminders(dialogue, say)

    def event(self, event: Event) -> None:
        """For the ear."""
        self._ear.event(event)

    async def transcript(self, item_id: str, utterance: Utterance) -> str:
        """From the ear."""
        return await self._ear.transcript(item_id, utterance)
