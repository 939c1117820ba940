"""What the agent says, question by question; and that it always says something."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offhook_worker import FunctionCalled, Item, Message, Role, ToolResult
from offhook_worker.agent.brain.interface import (
    ForgetReminders,
    Prompt,
    Remind,
    Reminder,
    Thought,
    Tool,
    ToolCall,
    ToolMode,
)
from offhook_worker.agent.brain.question import tokenise
from offhook_worker.agent.brain.rules import RuleBrain, think

NOW = datetime(2026, 11, 24, 15, 42, tzinfo=ZoneInfo("Europe/Berlin"))


def said(*texts: str) -> list[Item]:
    """A conversation: the caller and the agent in turn, the caller last."""
    roles = [Role.USER, Role.ASSISTANT] if len(texts) % 2 else [Role.ASSISTANT, Role.USER]
    return [Message(f"item_{number}", roles[number % 2], text) for number, text in enumerate(texts)]


def spoken(thoughts: Sequence[Thought]) -> str:
    return "".join(thought for thought in thoughts if isinstance(thought, str)).strip()


def reply(
    *texts: str,
    tools: Sequence[Tool] = (),
    tool_choice: ToolMode = ToolMode.AUTO,
    reminders: Sequence[Reminder] = (),
) -> str:
    prompt = Prompt(said(*texts), NOW, tools=tools, tool_choice=tool_choice, reminders=reminders)
    return spoken(think(prompt))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What time is it?", "It is 3:42 PM."),
        ("Hey, um, could you tell me the time please?", "It is 3:42 PM."),
        ("what time is it in tokyo", "In Tokyo it is 11:42 PM."),
        ("What's the time in Atlantis?", "I do not know the time zone of Atlantis. Here it is 3:42 PM."),
        ("What's the date today?", "Today is Tuesday, November 24th."),
        ("What day is it tomorrow?", "Tomorrow will be Wednesday, November 25th."),
        ("Which year is it?", "It is 2026."),
        ("What is twelve times seven?", "12 times 7 is 84."),
        ("What is 12 x 7?", "12 times 7 is 84."),
        ("How much is two hundred and five plus nineteen", "205 plus 19 is 224."),
        ("what's 17 minus 5 times 2", "17 minus 5 times 2 is 7."),
        ("calculate (17 - 5) * 2", "17 minus 5 times 2 is 24."),
        ("What is 15% of 80?", "15 percent of 80 is 12."),
        ("What is the square root of 144?", "The square root of 144 is 12."),
        ("What is the square root of two?", "The square root of 2 is about 1.4142."),
        ("2 to the power of 10", "2 to the power of 10 is 1024."),
        ("Subtract five from twelve.", "12 minus 5 is 7."),
        ("Divide 22 by 7.", "22 divided by 7 is about 3.1429."),
        ("what is three point five plus one", "3.5 plus 1 is 4.5."),
        ("What is half of thirty?", "Half of 30 is 15."),
        ("What is seven divided by zero?", "Nothing can be divided by zero."),
        ("What is 9 to the power of 9 to the power of 9?", "That power is more than I can work out."),
        ("What's a million times a million times a million?", "That number is too large for me to say."),
        ("Spell necessary.", "Necessary: N, E, C, E, S, S, A, R, Y."),
        ("How do you spell New York for me?", "New York: N, E, W, space, Y, O, R, K."),
        ("How is cat spelled?", "Cat: C, A, T."),
        ("Spell.", "Which word shall I spell? Say: spell, and then the word."),
        ("Are you a robot?", "I am a small program that answers by rules, not a language model."),
        ("Are you a language model?", "I am a small program that answers by rules, not a language model."),
        ("Who are you?", "I am the offhook voice agent."),
        ("Hello.", "Hello. How can I help?"),
        ("Thanks a lot!", "You are welcome."),
        ("Goodbye", "Goodbye."),
        ("What can you do?", "Ask me the time or the date"),
        ("Can you speak German?", "I only understand and speak English."),
        ("What is the weather in Paris?", "I have no weather service."),
        ("Count to six.", "1, 2, 3, 4, 5. 6."),
        ("count from ten down to eight", "10, 9, 8."),
        ("Count to a million", "That is a lot."),
        ("Tell me a story.", "Once upon a time"),
        ("Colorless green ideas sleep furiously.", "I heard: Colorless green ideas sleep furiously. I have no answer"),
        ("", "I did not hear any words."),
        ("...", "I did not hear any words."),
    ],
)
def test_a_question_gets_its_answer(question: str, answer: str) -> None:
    assert reply(question).startswith(answer)


@pytest.mark.parametrize(
    ("conversation", "answer"),
    [
        (("What did I say?",), "This is the first thing you said to me."),
        (("The sky is blue.", "Yes.", "What did I just say?"), "Before that you said: The sky is blue."),
        (("One.", "Yes.", "Two.", "Yes.", "What was my first question?"), "First you said: One."),
        (("Spell cat.", "Cat: C, A, T.", "Can you repeat that?"), "Cat: C, A, T."),
        (("My name is anna.",), "Nice to meet you, Anna."),
        (("My name is Anna.", "Nice.", "What is my name?"), "You said your name is Anna."),
        (("Do you know my name?",), "You have not told me your name yet."),
    ],
)
def test_the_conversation_is_remembered(conversation: tuple[str, ...], answer: str) -> None:
    assert reply(*conversation) == answer


@pytest.mark.parametrize(
    ("question", "words", "seconds"),
    [
        ("Set a timer for ten seconds.", "10 seconds", 10),
        ("set a timer for 1 minute and 30 seconds", "1 minute and 30 seconds", 90),
        ("Start a timer for half an hour", "30 minutes", 1800),
        ("timer two and a half minutes please", "2 minutes and 30 seconds", 150),
        ("set a timer for a minute and a half", "1 minute and 30 seconds", 90),
    ],
)
def test_a_timer_is_set(question: str, words: str, seconds: int) -> None:
    text, action = think(Prompt(said(question), NOW))
    assert text == f"I set a timer for {words}."
    assert action == Remind(Reminder(NOW + timedelta(seconds=seconds), f"Your timer for {words} is up."))


def test_a_reminder_says_what_it_is_for() -> None:
    _, action = think(Prompt(said("Remind me in 5 minutes to call my mother."), NOW))
    assert action == Remind(Reminder(NOW + timedelta(minutes=5), "This is your reminder: call your mother."))
    _, action = think(Prompt(said("Remind me to call home in ten minutes"), NOW))
    assert action == Remind(Reminder(NOW + timedelta(minutes=10), "This is your reminder: call home."))


def test_timers_are_told_and_cancelled() -> None:
    running = (Reminder(NOW + timedelta(seconds=75), "x"),)
    assert reply("How long is left on my timer?", reminders=running) == "1 minute and 15 seconds left."
    assert think(Prompt(said("Cancel the timer"), NOW, reminders=running))[1] == ForgetReminders()
    assert reply("Cancel the timer") == "There is no timer to cancel."
    assert reply("Set a timer") == "For how long? Say, for example: set a timer for five minutes."
    assert reply("Set a timer for 3 days and 72 hours") == "I can time anything from a second to a day."
    assert "all I can keep" in reply("Set a timer for 5 minutes", reminders=running * 10)


# -- functions --------------------------------------------------------------------------------------------------------

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "Get the current weather for a city", CITY)
LIGHT = Tool(
    "set_light",
    "Switches the lights of a room",
    {
        "type": "object",
        "properties": {
            "room": {"type": "string", "enum": ["kitchen", "living_room"]},
            "on": {"type": "boolean"},
            "brightness": {"type": "integer"},
        },
        "required": ["room", "on"],
    },
)
TABLE = Tool(
    "bookTable",
    "Book a table at the restaurant",
    {
        "type": "object",
        "properties": {
            "guests": {"type": ["integer", "null"]},
            "date": {"type": "string", "description": "day, ISO 8601"},
            "time": {"type": "string"},
            "name": {"type": "string", "description": "who the table is for"},
        },
        "required": ["guests", "date"],
    },
)
TOOLS = (LIGHT, WEATHER, TABLE)


@pytest.mark.parametrize(
    ("question", "call"),
    [
        ("What is the weather in Paris?", ToolCall("get_weather", {"city": "Paris"})),
        ("what's the weather like in san francisco today", ToolCall("get_weather", {"city": "san francisco"})),
        ("Is it raining in New York right now?", ToolCall("get_weather", {"city": "New York"})),
        ("Tell me the weather for Berlin, please.", ToolCall("get_weather", {"city": "Berlin"})),
        ("Turn on the lights in the kitchen.", ToolCall("set_light", {"room": "kitchen", "on": True})),
        (
            "Switch the living room light off, or to 20 percent",
            ToolCall("set_light", {"room": "living_room", "on": False, "brightness": 20}),
        ),
        (
            "Book a table for four people tomorrow at 7:30 pm under Smith",
            ToolCall("bookTable", {"guests": 4, "date": "2026-11-25", "time": "7:30 pm", "name": "Smith"}),
        ),
    ],
)
def test_a_question_that_matches_a_function_calls_it(question: str, call: ToolCall) -> None:
    (thought,) = think(Prompt(said(question), NOW, tools=TOOLS))
    assert thought == call


def test_what_matches_no_function_is_answered() -> None:
    assert reply("What is twelve times seven?", tools=TOOLS) == "12 times 7 is 84."
    assert reply("What time is it?", tools=TOOLS) == "It is 3:42 PM."
    assert reply("How are you?", tools=TOOLS).startswith("I am well")


@pytest.mark.parametrize("city", ["Paris.", "In Paris, please.", "um, Paris"])
def test_a_missing_argument_is_asked_for(city: str) -> None:
    assert reply("What's the weather?", tools=TOOLS) == "For which city?"
    (call,) = think(Prompt(said("What's the weather?", "For which city?", city), NOW, tools=TOOLS))
    assert call == ToolCall("get_weather", {"city": "Paris"})


def test_two_missing_arguments_are_asked_for_in_turn() -> None:
    assert reply("Book a table, please.", tools=TOOLS) == "Which guests?"
    assert reply("Book a table, please.", "Which guests?", "Four.", tools=TOOLS) == "For which date?"


def test_tool_choice_is_honoured() -> None:
    assert "no weather service" in reply("Weather in Paris?", tools=TOOLS, tool_choice=ToolMode.NONE)
    (call,) = think(Prompt(said("Hello there"), NOW, tools=(WEATHER,), tool_choice=ToolMode.REQUIRED))
    assert call == ToolCall("get_weather", {"city": "Hello there"})
    (call,) = think(Prompt([], NOW, tools=TOOLS, tool_choice=ToolMode.REQUIRED))
    assert isinstance(call, ToolCall)


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ({"temperature": 21, "condition": "Sunny"}, "In Paris it is sunny and 21 degrees."),
        ({"city": "Lyon", "temperature_c": -3.5}, "In Lyon it is minus 3.5 degrees Celsius."),
        ({"temp": "70°F", "unit": "F", "sky": "clear"}, "In Paris it is clear and 70 degrees Fahrenheit."),
        ("It rains cats and dogs", "It rains cats and dogs."),
        ("rain", "The weather is rain."),
        (17, "The weather is 17."),
        ({"summary": "Light rain until noon"}, "Light rain until noon."),
        ({"wind": {"speed": 12, "gusts": True}}, "About the weather: wind speed is 12, wind gusts is yes."),
        (["sun", "rain", "snow"], "The weather is sun, rain and snow."),
        ({"error": "city not found"}, "That did not work: city not found."),
        ({"error": {"message": "no such city"}}, "That did not work: no such city."),
        ({}, "Done."),
        (None, "Done."),
    ],
)
def test_a_functions_result_is_spoken(output: object, answer: str) -> None:
    conversation: list[Item] = [
        *said("What is the weather in Paris?"),
        FunctionCalled("fc", "call_1", "get_weather", '{"city": "Paris"}'),
        ToolResult("out", "call_1", output if isinstance(output, str) else json.dumps(output)),
    ]
    assert spoken(think(Prompt(conversation, NOW, tools=TOOLS))) == answer


# -- what applications ask --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instructions", "greeting"),
    [
        ("", "Hello. How can I help?"),
        ("You are a helpful assistant.", "Hello. How can I help?"),
        ("You are Ada, a receptionist.", "Hello, this is Ada. How can I help?"),
        ('Greet the caller with "Welcome to Acme!" and then help.', "Welcome to Acme!"),
        ("Always respond in German.", "I can only speak English. Hello. How can I help?"),
    ],
)
def test_an_empty_conversation_begins_with_a_greeting(instructions: str, greeting: str) -> None:
    assert spoken(think(Prompt([], NOW, instructions))) == greeting


@pytest.mark.parametrize(
    ("directive", "answer"),
    [
        ('Say "One moment, please."', "One moment, please."),
        ("Say exactly: the line is open", "The line is open"),
        ("Tell the user that the meeting starts at five.", "The meeting starts at five."),
        ("Please introduce yourself to the user.", "Hello. How can I help?"),
        ("What is 2 plus 2?", "2 plus 2 is 4."),
    ],
)
def test_a_system_message_or_a_directive_is_answered(directive: str, answer: str) -> None:
    assert spoken(think(Prompt([], NOW, directive=directive))) == answer
    assert spoken(think(Prompt([Message("s", Role.SYSTEM, directive)], NOW))) == answer


def test_a_system_message_that_asks_nothing_leaves_the_question_open() -> None:
    conversation = [*said("What is 2 plus 2?"), Message("s", Role.SYSTEM, "Be concise.")]
    assert spoken(think(Prompt(conversation, NOW))) == "2 plus 2 is 4."


# -- whatever comes ---------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
WORDS = st.sampled_from(
    tokenise(
        "what is the time weather in paris spell timer for minus point hundred and a half of percent square root "
        "divided by zero count from to my name cancel remind me 12 0 ( ) ^ x % 3:42 9999999999999999999 say minutes"
    )
)
TEXTS = st.text(max_size=60) | st.lists(WORDS, max_size=12).map(" ".join)
NAMES = st.sampled_from(["city", "on", "n", "date", "x"])
SCHEMA = st.fixed_dictionaries({"type": JSON | st.sampled_from(["string", "integer", "boolean", "array", "object"])})
SCHEMAS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["object", "string", None]),
        "properties": st.dictionaries(NAMES, JSON | SCHEMA, max_size=4),
        "required": JSON | st.lists(NAMES, max_size=4),
    },
)
ITEMS = st.one_of(
    st.builds(Message, st.just("m"), st.sampled_from(Role), TEXTS),
    st.builds(FunctionCalled, st.just("f"), st.just("c"), TEXTS, TEXTS | JSON.map(json.dumps)),
    st.builds(ToolResult, st.just("r"), st.sampled_from(["c", "d"]), TEXTS | JSON.map(json.dumps)),
)


@given(
    conversation=st.lists(ITEMS, max_size=6),
    instructions=TEXTS,
    directive=st.just("") | TEXTS,
    tools=st.lists(st.builds(Tool, st.sampled_from(["get_weather", "x", ""]) | TEXTS, TEXTS, SCHEMAS), max_size=3),
    tool_choice=st.sampled_from(ToolMode),
)
def test_it_always_answers_and_never_raises(
    conversation: list[Item], instructions: str, directive: str, tools: list[Tool], tool_choice: ToolMode
) -> None:
    prompt = Prompt(conversation, NOW, instructions, directive, tools, tool_choice)
    thoughts = think(prompt)
    assert spoken(thoughts) or any(isinstance(thought, ToolCall) for thought in thoughts)
    for thought in thoughts:
        if isinstance(thought, ToolCall):
            json.dumps(thought.arguments)


def test_a_text_of_a_megabyte_is_answered_soon() -> None:
    for text in ("1 + " * 300_000, "spell " * 200_000, "a" * 1_000_000, "(" * 1_000_000, "weather in " * 90_000):
        assert reply(text, tools=TOOLS) or think(Prompt(said(text), NOW, tools=TOOLS))


async def test_a_brain_streams_its_thoughts() -> None:
    assert [thought async for thought in RuleBrain().stream(Prompt(said("Spell cat"), NOW))] == ["Cat: C, A, T."]
