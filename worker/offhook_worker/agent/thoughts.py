"""A brain's answer, parted into text, to be spoken as it comes, and actions, to be taken after it."""

import re
from collections.abc import AsyncIterator

from offhook_worker.agent.brain.interface import ForgetReminders, Remind, Thought, TokensUsed, ToolCall, Unfinished
from offhook_worker.outputs import Status
from offhook_worker.turn import Turn

_WORD = re.compile(r"\s*\S+\s*")


class Thoughts:
    """One answer.

    Its text is counted in words, which are the tokens of a brain that has no others, and ends at the turn's limit.
    A brain that counts tokens tells how many there were.

    Attributes:
        actions: in order; complete once `text` has ended.
    """

    def __init__(self, turn: Turn, stream: AsyncIterator[Thought]) -> None:
        self.actions: list[ToolCall | Remind | ForgetReminders] = []
        self._turn = turn
        self._stream = stream

    async def text(self) -> AsyncIterator[str]:
        """The text, piece by piece."""
        async for thought in self._stream:
            if isinstance(thought, TokensUsed):
                self._count(thought)
            elif isinstance(thought, Unfinished):
                self._turn.status = thought.status
            elif not isinstance(thought, str):
                self.actions.append(thought)
            elif (allowed := self._allowed(thought)) == thought:
                yield thought
            else:
                self._turn.status = Status.INCOMPLETE_MAX_TOKENS
                yield allowed
                return

    def _count(self, tokens: TokensUsed) -> None:
        usage = self._turn.usage
        usage.input_text_tokens, usage.input_cached_tokens = tokens.input, tokens.cached_input
        usage.output_text_tokens = tokens.output

    def _allowed(self, text: str) -> str:
        """As much of `text` as the limit leaves; it counts from now on."""
        limit, usage = self._turn.config.max_output_tokens, self._turn.usage
        words = _WORD.findall(text)
        if limit and usage.output_text_tokens + len(words) > limit:
            words = words[: limit - usage.output_text_tokens]
            text = "".join(words)
        usage.output_text_tokens += len(words)
        return text
