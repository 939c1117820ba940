// The Agents SDK in Node over a WebSocket: typed and spoken questions, a function, an interruption.
import { RealtimeAgent, RealtimeSession, tool } from '@openai/agents-realtime';
import { z } from 'zod';
import { Events, Microphone, WEATHER, isUnknown, orders, pause, report, speech, weatherIn, words } from './script.mjs';

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
const errors = [];
const interrupted = [];
session.on('transport_event', (event) => events.add(event));
session.on('error', (error) => errors.push(error));
session.on('audio_interrupted', () => interrupted.push(Date.now()));
await session.connect({ apiKey: orders.key, url: `${orders.url}/realtime?model=${orders.model}` });
const done = async () => (await events.next('response.done')).response;

session.sendMessage('What is three times three?');
const written = words(await done());

const microphone = new Microphone((pcm) => session.sendAudio(new Uint8Array(pcm).buffer));
microphone.say(speech('times'));
const answer = await done();
const spoken = { words: words(answer), audio: events.audio(answer.id) };
const understood = (await events.ever('conversation.item.input_audio_transcription.completed')).transcript;

microphone.say(speech('weather'));
const call = await events.next('response.function_call_arguments.done');
await done();
const tool_answer = { name: call.name, arguments: JSON.stringify(calls[0]), words: words(await done()) };

microphone.say(speech('story'));
await events.next('response.output_audio.delta');
await pause(1500);
microphone.say(speech('again'));
const truncated = await events.next('conversation.item.truncated');
const last = (await events.next((event) => event.type === 'response.done' && event.response.status === 'completed'))
  .response;
microphone.off();
session.close();

report({
  written,
  understood,
  spoken,
  tool: tool_answer,
  interruption: { heard_ms: truncated.audio_end_ms, words: words(last), audio: events.audio(last.id) },
  interrupted: interrupted.length,
  errors,
  unknown: events.all.filter(isUnknown),
  history: session.history.map((item) => item.type + ':' + (item.role ?? item.name)),
  events: events.all.map((event) => event.type),
  raw: events.all,
});
