"""The brain of rules: the first intent that knows an answer gives it. Deterministic, and honest about being one."""

from collections.abc import AsyncGenerator, Callable

from offhook_worker.agent.brain import (
    arithmetic,
    clock,
    counting,
    memory,
    results,
    smalltalk,
    spelling,
    timer,
    tools,
)
from offhook_worker.agent.brain.instructions import foreign_language, greeting, is_greeting, wanted_words
from offhook_worker.agent.brain.interface import Prompt, Thought, ToolMode
from offhook_worker.agent.brain.question import Question, clip
from offhook_worker.conversation import FunctionCalled, Message
from offhook_worker.events import Role, ToolResult

Intent = Callable[[Question], list[Thought] | None]

INTENTS: tuple[Intent, ...] = (
    # The application's functions know better than this brain whatever they are about.
    tools.answer,
    timer.answer,
    memory.answer,
    spelling.answer,
    counting.answer,
    arithmetic.answer,
    clock.answer,
    smalltalk.answer,
)
"""Asked in this order. One module, one function: to teach the brain something, write one and list it here."""


class RuleBrain:
    """Implements `Brain`."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Thought, None]:
        """The answer."""
        for thought in think(prompt):
            yield thought


def think(prompt: Prompt) -> list[Thought]:
    """The answer to the last item of the conversation, or to the directive; never empty."""
    thoughts = _obey(prompt.directive, prompt) if prompt.directive else None
    if thoughts is None:
        thoughts = _continue(prompt)
    language = foreign_language(prompt.instructions)
    if language is not None and not _has_answered(prompt) and isinstance(thoughts[0], str):
        # Once, at the beginning: the application asked for what this voice cannot do.
        thoughts = ["I can only speak English. ", *thoughts]
    return thoughts


def _continue(prompt: Prompt) -> list[Thought]:
    last = next((item for item in reversed(prompt.conversation) if not isinstance(item, FunctionCalled)), None)
    match last:
        case ToolResult():
            return [f"{sentence} " for sentence in results.answer(prompt.conversation)]
        case Message(role=Role.SYSTEM, text=text):
            return _obey(text, prompt) or _answer_user(prompt) or [greeting(prompt.instructions)]
        case Message(role=Role.USER):
            return _reply(last.text, prompt)
        case Message(role=Role.ASSISTANT):
            return ["I am still here. What else can I do for you?"]
        case _:
            return _must_call(Question("", prompt)) or [greeting(prompt.instructions)]


def _reply(text: str, prompt: Prompt) -> list[Thought]:
    question = Question(text, prompt)
    if not question.tokens:
        return _must_call(question) or ["I did not hear any words. Please say that again."]
    for intent in INTENTS:
        if thoughts := intent(question):
            return thoughts
    return [f"I heard: {clip(text, 100).rstrip('.!?')}. I have no answer to that. ", smalltalk.HELP]


def _obey(directive: str, prompt: Prompt) -> list[Thought] | None:
    """What the application wants said now; None if rules cannot tell what that is."""
    words = wanted_words(directive)
    if words is not None:
        return [words]
    if is_greeting(directive):
        return [greeting(f"{directive}\n{prompt.instructions}")]
    question = Question(directive, prompt)
    return next((thoughts for intent in INTENTS if (thoughts := intent(question))), None)


def _answer_user(prompt: Prompt) -> list[Thought] | None:
    """The answer to a question that is still open behind the system's message."""
    for item in reversed(prompt.conversation):
        if isinstance(item, Message) and item.role is Role.ASSISTANT:
            return None
        if isinstance(item, Message) and item.role is Role.USER:
            return _reply(item.text, prompt)
    return None


def _must_call(question: Question) -> list[Thought] | None:
    prompt = question.prompt
    return tools.must(question) if prompt.callable_tools and prompt.tool_choice is ToolMode.REQUIRED else None


def _has_answered(prompt: Prompt) -> bool:
    return any(isinstance(item, Message) and item.role is Role.ASSISTANT for item in prompt.conversation)
