"""Asks a question, which a function helps to answer: python agents_sdk.py QUESTION"""

import asyncio
import os
import sys

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner

MODEL = os.environ.get("MODEL", "agent")


@function_tool
def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f'{{"city": "{city}", "temperature_c": 21, "sky": "sunny"}}'


async def main(question: str) -> None:
    agent = RealtimeAgent(name="Assistant", instructions="Be brief.", tools=[get_weather])
    base_url = os.environ["OPENAI_BASE_URL"].replace("http", "ws", 1)
    model_config = {"url": f"{base_url}/realtime?model={MODEL}", "api_key": os.environ["OPENAI_API_KEY"]}
    async with await RealtimeRunner(agent).run(model_config=model_config) as session:
        await session.send_message(question)
        last = None
        async for event in session:
            if event.type == "tool_start":
                print(f"({event.tool.name})")
            elif event.type == "history_added":
                last = event.item
            elif event.type == "history_updated" and event.history:
                last = event.history[-1]
            elif event.type == "error":
                raise RuntimeError(event.error)
            elif event.type == "agent_end" and (words := spoken(last)):
                print(words)
                break


def spoken(item) -> str:
    """What the agent says in the last item; nothing where it has only called a function."""
    if getattr(item, "role", "") != "assistant":
        return ""
    return " ".join(part.transcript or "" for part in item.content if part.type == "audio")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1]))
