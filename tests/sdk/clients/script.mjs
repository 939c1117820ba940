// What every JavaScript client of these tests does: reads its orders, speaks recorded speech, and reports.
import { readFileSync } from 'node:fs';
// By its path: the package does not export how it reads events.
import { parseRealtimeEvent } from '../node_modules/@openai/agents-realtime/dist/openaiRealtimeEvents.mjs';

export const SAMPLE_RATE = 24_000;
const CHUNK_MS = 100;
const CHUNK_BYTES = (SAMPLE_RATE * 2 * CHUNK_MS) / 1000;
// Twice as fast as it is spoken: the fabric reckons in media time.
const CHUNK_EVERY_MS = CHUNK_MS / 2;
const WITHIN_MS = 30_000;

export const WEATHER = {
  name: 'get_weather',
  description: 'Get the weather in a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
};
export const weatherIn = (city) => JSON.stringify({ city, temperature_c: 21, sky: 'sunny' });

/** The orders of the test: {url, key, model, speech: {name: path of 24 kHz PCM}}. */
export const orders = JSON.parse(process.argv[2]);

/** Recorded speech by its name in the orders. */
export const speech = (name) => readFileSync(orders.speech[name]);

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

  say(pcm) {
    this.#said = Buffer.concat([this.#said, pcm]);
  }

  off() {
    clearInterval(this.#timer);
  }
}

/** Keeps every event, and lets one await those that come. */
export class Events {
  all = [];
  #read = 0;
  #waiting = [];

  add(event) {
    this.all.push(event);
    this.#waiting.splice(0).forEach((wake) => wake());
  }

  /** The next event that `wanted` (a type or a predicate) accepts; those before it count as read. */
  async next(wanted) {
    const { event, index } = await this.#find(wanted, this.#read);
    this.#read = index + 1;
    return event;
  }

  /** The first such event of all; nothing counts as read. */
  async ever(wanted) {
    return (await this.#find(wanted, 0)).event;
  }

  async #find(wanted, from) {
    const accepts = typeof wanted === 'string' ? (event) => event.type === wanted : wanted;
    const deadline = Date.now() + WITHIN_MS;
    for (let index = from; ; ) {
      for (; index < this.all.length; index++) {
        if (accepts(this.all[index])) return { event: this.all[index], index };
      }
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no ${wanted} came; the last were ${this.all.slice(-8).map((e) => e.type)}`);
      await new Promise((wake) => {
        const timer = setTimeout(wake, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          wake();
        });
      });
    }
  }

  /** The audio of one response, in base64. */
  audio(responseId) {
    const deltas = this.all.filter((e) => e.type === 'response.output_audio.delta' && e.response_id === responseId);
    return Buffer.concat(deltas.map((e) => Buffer.from(e.delta, 'base64'))).toString('base64');
  }
}

/** The words of a response: what was written or spoken. */
export const words = (response) =>
  response.output.flatMap((item) => item.content ?? []).map((part) => part.transcript ?? part.text).join(' ');

/** Whether the Agents SDK takes an event for one that it does not know, and drops it. */
export const isUnknown = (event) => parseRealtimeEvent({ data: JSON.stringify(event) }).isGeneric;

export const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

/** Reports to the test and ends. */
export function report(result) {
  process.stdout.write(JSON.stringify(result), () => process.exit(0));
}

process.on('unhandledRejection', (error) => {
  console.error(error);
  process.exit(1);
});
