// openai-node over a WebSocket.
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { EventEar, Events, WEATHER, pause, weatherIn, words } from './conversation.mjs';
import { Microphone, orders, report } from './script.mjs';

const client = new OpenAI({ baseURL: orders.url, apiKey: orders.key });
const connection = new OpenAIRealtimeWS({ model: orders.model }, client);
const events = new Events();
const ear = new EventEar(events);
const errors = [];
connection.on('event', (event) => events.add(event));
connection.on('error', (error) => errors.push(error.message));
await events.next('session.created');

const format = { type: 'audio/pcm', rate: 24_000 };
async function configure(session) {
  connection.send({ type: 'session.update', session: { type: 'realtime', ...session } });
  await events.next('session.updated');
}

await configure({ output_modalities: ['text'] });
connection.send({
  type: 'conversation.item.create',
  item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'What is three times three?' }] },
});
connection.send({ type: 'response.create' });
const written = words(await events.answer());

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
microphone.say('times');
const answer = await events.answer();
const spoken = { words: words(answer), audio: await ear.audio(answer.id) };
const understood = (await events.ever('conversation.item.input_audio_transcription.completed')).transcript;

microphone.say('weather');
const call = await events.next('response.function_call_arguments.done');
await events.answer();
const output = weatherIn(JSON.parse(call.arguments).city);
connection.send({
  type: 'conversation.item.create',
  item: { type: 'function_call_output', call_id: call.call_id, output },
});
connection.send({ type: 'response.create' });
const tool = { name: call.name, arguments: call.arguments, words: words(await events.answer()) };

microphone.say('story');
const first = await events.next(ear.begins);
const begunAt = Date.now();
await pause(1500);
microphone.say('again');
await events.next('input_audio_buffer.speech_started');
connection.send({
  type: 'conversation.item.truncate',
  item_id: first.item_id,
  content_index: first.content_index,
  audio_end_ms: Date.now() - begunAt,
});
const truncated = await events.next('conversation.item.truncated');
const last = await events.answer();
microphone.off();
connection.close();

const interruption = { heard_ms: truncated.audio_end_ms, words: words(last), audio: await ear.audio(last.id) };
report({ written, understood, spoken, tool, interruption, errors }, events.all);
