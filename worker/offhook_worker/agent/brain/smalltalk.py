"""Greetings, thanks, who this is, and what it can do: phrases and what to say to them."""

from offhook_worker.agent.brain.instructions import agent_name
from offhook_worker.agent.brain.interface import Thought
from offhook_worker.agent.brain.question import Question

HELP = (
    "Ask me the time or the date, a sum, how to spell a word, or what you said before. "
    "I can set a timer, count, and tell a story or a joke."
)
HONEST = "I am a small program that answers by rules, not a language model. I run on this machine, without a cloud."
JOKE = "Why did the packet cross the network? It had no choice: it was routed."
STORY = (
    "Once upon a time a small voice lived in a telephone. Every day people called, and every day it answered "
    "as well as it could. It did not know much, but it knew the time, and it could count. One night somebody "
    "called who could not sleep. So the voice counted sheep, one after the other, over a white fence. It "
    "counted until there was only quiet breathing on the line. Then it whispered good night, and hung up very "
    "softly."
)

# In order: the first whose phrase occurs answers.
_PHRASES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("what can you do", "can you help", "help me", "help", "how do you work", "what do you do"), HELP),
    (("tell me a story", "a story", "tell a story"), STORY),
    (("joke", "make me laugh"), JOKE),
    (
        (
            "language model",
            "are you a robot",
            "are you human",
            "are you a human",
            "are you a person",
            "are you real",
            "are you an ai",
            "are you a machine",
            "are you chat gpt",
            "are you chatgpt",
            "artificial intelligence",
            "what are you",
            "which model",
            "what model",
            "who made you",
            "are you alive",
        ),
        HONEST,
    ),
    (("how are you", "how do you do", "how is it going", "how are things"), "I am well, thank you. How can I help?"),
    (("thank you", "thanks", "thank you very much"), "You are welcome."),
    (("goodbye", "bye", "good bye", "see you", "good night", "hang up"), "Goodbye. It was nice talking to you."),
    (("i love you", "i like you"), "That is kind. I like talking to you as well."),
    (("sing", "a song"), "I would rather not sing. It would be the same two notes all the time."),
    (("weather", "rain", "forecast"), "I have no weather service. An application can give me one, as a function."),
    (("sorry", "excuse me"), "No harm done."),
)
_GREETINGS = ("hello", "hi", "hey", "good morning", "good afternoon", "good evening", "greetings")
_ASSENT = ("yes", "no", "yeah", "okay", "ok", "sure", "right", "good", "great", "fine", "nice", "cool", "never mind")


def answer(question: Question) -> list[Thought] | None:
    """Something friendly, if it was that kind of thing."""
    if question.has("who are you", "your name", "who am i talking to", "who is this", "what are you called"):
        return [f"I am {agent_name(question.prompt.instructions) or 'the offhook voice agent'}. {HONEST}"]
    for phrases, reply in _PHRASES:
        if question.has(*phrases):
            return [reply]
    if question.has("language", "german", "french", "spanish", "italian", "chinese", "japanese") and question.has(
        "speak", "talk", "understand", "language", "in german", "in french", "in spanish"
    ):
        return ["I only understand and speak English."]
    # Fillers are no phrases: "hey" alone is a greeting all the same.
    if question.starts(*_GREETINGS) or question.tokens[:1] == ["hey"]:
        return [f"Hello. {HELP}" if len(question.tokens) > 2 else "Hello. How can I help?"]
    if question.tokens and " ".join(question.tokens) in _ASSENT:
        return ["Good. What else can I do for you?"]
    return None
