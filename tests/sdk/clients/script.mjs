// What the JavaScript clients of these tests do in Node: read their orders, speak recorded speech, report.
import { readFileSync } from 'node:fs';
// By its path: the package does not export how it reads events.
import { parseRealtimeEvent } from '../node_modules/@openai/agents-realtime/dist/openaiRealtimeEvents.mjs';

const SAMPLE_RATE = 24_000;
const CHUNK_MS = 100;
const CHUNK_BYTES = (SAMPLE_RATE * 2 * CHUNK_MS) / 1000;
// Twice as fast as it is spoken: the fabric reckons in media time.
const CHUNK_EVERY_MS = CHUNK_MS / 2;

/** The orders of the test: {url, key, model, speech: {name: path of 24 kHz PCM}}. */
export const orders = JSON.parse(process.argv.at(-1));

/** A microphone that is always on: silence where nothing is said. `send` takes a Buffer of PCM. */
export class Microphone {
  #said = Buffer.alloc(0);
  #timer;

  constructor(send) {
    this.#timer = setInterval(() => {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      this.#said.copy(chunk, 0, 0, CHUNK_BYTES);
      this.#said = this.#said.subarray(CHUNK_BYTES);
      send(chunk);
    }, CHUNK_EVERY_MS);
  }

  /** Says a recording by its name in the orders. */
  say(name) {
    this.#said = Buffer.concat([this.#said, readFileSync(orders.speech[name])]);
  }

  off() {
    clearInterval(this.#timer);
  }
}

/** Whether the Agents SDK takes an event for one that it does not know, and drops it. */
const isUnknown = (event) => parseRealtimeEvent({ data: JSON.stringify(event) }).isGeneric;

/** Reports to the test and ends. */
export function report(result, events) {
  const document = { ...result, unknown: events.filter(isUnknown), raw: events };
  process.stdout.write(JSON.stringify(document), () => process.exit(0));
}

process.on('unhandledRejection', (error) => {
  console.error(error);
  process.exit(1);
});
