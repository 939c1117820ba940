// Asks a question, which a function helps to answer: node agents.mjs "What is the weather in Paris?"
import { RealtimeAgent, RealtimeSession, tool } from '@openai/agents-realtime';
import { z } from 'zod';

const weather = tool({
  name: 'get_weather',
  description: 'Get the weather in a city',
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => ({ city, temperature_c: 21, sky: 'sunny' }),
});
const agent = new RealtimeAgent({ name: 'Assistant', instructions: 'Be brief.', tools: [weather] });
const session = new RealtimeSession(agent, { transport: 'websocket' });

session.on('agent_tool_start', (_context, _agent, { name }) => console.log(`(${name})`));
session.on('error', ({ error }) => {
  throw new Error(JSON.stringify(error));
});
session.on('agent_end', (_context, _agent, words) => {
  // After a function was called there is nothing to say yet.
  if (!words) return;
  console.log(words);
  session.close();
});

const base = process.env.OPENAI_BASE_URL.replace(/^http/, 'ws');
const url = `${base}/realtime?model=${process.env.MODEL ?? 'agent'}`;
await session.connect({ apiKey: process.env.OPENAI_API_KEY, url });
session.sendMessage(process.argv[2] ?? 'What is the weather in Paris?');
