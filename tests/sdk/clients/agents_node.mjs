// The Agents SDK in Node, over a WebSocket.
import { RealtimeAgent, RealtimeSession, tool } from '@openai/agents-realtime';
import { z } from 'zod';
import { EventEar, Events, WEATHER, converse, weatherIn } from './conversation.mjs';
import { Microphone, orders, report } from './script.mjs';

const calls = [];
const weather = tool({
  name: WEATHER.name,
  description: WEATHER.description,
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    calls.push({ city });
    return weatherIn(city);
  },
});
const agent = new RealtimeAgent({ name: 'Assistant', instructions: 'Be brief.', tools: [weather] });
const session = new RealtimeSession(agent, { transport: 'websocket', model: orders.model });
const events = new Events();
session.on('transport_event', (event) => events.add(event));
await session.connect({ apiKey: orders.key, url: `${orders.url}/realtime?model=${orders.model}` });

const microphone = new Microphone((pcm) => session.sendAudio(new Uint8Array(pcm).buffer));
const result = await converse({ session, events, microphone, ear: new EventEar(events), calls });
microphone.off();
const history = session.history.map((item) => `${item.type}:${item.role ?? item.name}`);
session.close();
report({ ...result, history }, events.all);
