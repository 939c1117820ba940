// openai-node over a WebSocket: typed and spoken questions, a function, an interruption.
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { Events, Microphone, WEATHER, orders, pause, report, speech, weatherIn, words } from './script.mjs';

const client = new OpenAI({ baseURL: orders.url, apiKey: orders.key });
const connection = new OpenAIRealtimeWS({ model: orders.model }, client);
const events = new Events();
const errors = [];
connection.on('event', (event) => events.add(event));
connection.on('error', (error) => errors.push(error.message));
await events.next('session.created');

const format = { type: 'audio/pcm', rate: 24_000 };
async function configure(session) {
  connection.send({ type: 'session.update', session: { type: 'realtime', ...session } });
  await events.next('session.updated');
}
const done = async () => (await events.next('response.done')).response;

await configure({ output_modalities: ['text'] });
connection.send({
  type: 'conversation.item.create',
  item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'What is three times three?' }] },
});
connection.send({ type: 'response.create' });
const written = words(await done());

await configure({
  output_modalities: ['audio'],
  audio: {
    input: { format, turn_detection: { type: 'server_vad' }, transcription: { model: 'gpt-4o-mini-transcribe' } },
    output: { format },
  },
  tools: [{ type: 'function', ...WEATHER }],
});
const microphone = new Microphone((pcm) =>
  connection.send({ type: 'input_audio_buffer.append', audio: pcm.toString('base64') }),
);
microphone.say(speech('times'));
const answer = await done();
const spoken = { words: words(answer), audio: events.audio(answer.id) };
const understood = (await events.ever('conversation.item.input_audio_transcription.completed')).transcript;

microphone.say(speech('weather'));
const call = await events.next('response.function_call_arguments.done');
await done();
connection.send({
  type: 'conversation.item.create',
  item: {
    type: 'function_call_output',
    call_id: call.call_id,
    output: weatherIn(JSON.parse(call.arguments).city),
  },
});
connection.send({ type: 'response.create' });
const tool = { name: call.name, arguments: call.arguments, words: words(await done()) };

microphone.say(speech('story'));
const first = await events.next('response.output_audio.delta');
const begunAt = Date.now();
await pause(1500);
microphone.say(speech('again'));
await events.next('input_audio_buffer.speech_started');
connection.send({
  type: 'conversation.item.truncate',
  item_id: first.item_id,
  content_index: first.content_index,
  audio_end_ms: Date.now() - begunAt,
});
const truncated = await events.next('conversation.item.truncated');
const last = (await events.next((event) => event.type === 'response.done' && event.response.status === 'completed'))
  .response;
microphone.off();
connection.close();

report({
  written,
  understood,
  spoken,
  tool,
  interruption: { heard_ms: truncated.audio_end_ms, words: words(last), audio: events.audio(last.id) },
  errors,
  unknown: [],
  events: events.all.map((event) => event.type),
  raw: events.all,
});
