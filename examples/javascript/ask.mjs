// Asks a question by voice and saves the answer: node ask.mjs QUESTION.wav ANSWER.wav (mono, 16 bit, 24 kHz)
import { readFileSync, writeFileSync } from 'node:fs';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';

const [question, answer] = process.argv.slice(2);
const RATE = 24_000;
const HEADER_BYTES = 44;
if (!answer) throw new Error('node ask.mjs QUESTION.wav ANSWER.wav');
const recording = readFileSync(question);
if (recording.readUInt16LE(22) !== 1 || recording.readUInt32LE(24) !== RATE) {
  throw new Error(`${question} must be mono, 16 bit, 24 kHz`);
}

const client = new OpenAI(); // OPENAI_BASE_URL and OPENAI_API_KEY
const connection = new OpenAIRealtimeWS({ model: process.env.MODEL ?? 'agent' }, client);
const samples = [];

connection.on('error', (error) => {
  throw error;
});
connection.on('session.created', () => {
  connection.send({
    type: 'session.update',
    session: { type: 'realtime', audio: { input: { turn_detection: { type: 'server_vad' } } } },
  });
  // The server finds the end of the question in the silence after it.
  const speech = Buffer.concat([recording.subarray(HEADER_BYTES), Buffer.alloc(RATE * 2)]);
  connection.send({ type: 'input_audio_buffer.append', audio: speech.toString('base64') });
});
connection.on('response.output_audio_transcript.delta', (event) => process.stdout.write(event.delta));
connection.on('response.output_audio.delta', (event) => samples.push(Buffer.from(event.delta, 'base64')));
connection.on('response.done', () => {
  process.stdout.write('\n');
  writeFileSync(answer, wav(Buffer.concat(samples)));
  connection.close();
});

/** PCM as a WAV file. */
function wav(pcm) {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + pcm.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20); // PCM
  header.writeUInt16LE(1, 22); // mono
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(pcm.length, 40);
  return Buffer.concat([header, pcm]);
}
