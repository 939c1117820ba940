"""A server steers a call that a browser has placed: python beside.py CALL_ID INSTRUCTIONS

The page tells its server the call's id (`callId` of the Agents SDK, or the end of the answer's Location header).
"""

import asyncio
import sys

from openai import AsyncOpenAI


async def main(call_id: str, instructions: str) -> None:
    client = AsyncOpenAI()  # OPENAI_BASE_URL and OPENAI_API_KEY
    async with client.realtime.connect(call_id=call_id) as connection:
        await connection.session.update(session={"type": "realtime", "instructions": instructions})
        async for event in connection:
            if event.type == "session.updated":
                print(f"the call is told: {event.session.instructions}")
                break
    await client.realtime.calls.hangup(call_id)
    print("and hung up")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
