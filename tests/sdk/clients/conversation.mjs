// One conversation, in Node or in a page: what is asked, how one waits for what comes, what is reported.

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

export const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

/** The words of a response: what was written or spoken. */
export const words = (response) =>
  response.output.flatMap((item) => item.content ?? []).map((part) => part.transcript ?? part.text).join(' ');

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

  /** The response that ends next, as far as it was completed. */
  async answer() {
    const isAnswer = (event) => event.type === 'response.done' && event.response.status === 'completed';
    return (await this.next(isAnswer)).response;
  }

  /** The words of all that was said so far, by either side. */
  heard() {
    return this.all.flatMap(({ transcript }) => transcript ?? []).join(' | ');
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
}

/** The audio that came in events: of one response, as PCM in base64. */
export class EventEar {
  begins = 'response.output_audio.delta';

  constructor(events) {
    this.events = events;
  }

  async audio(responseId) {
    const deltas = this.events.all.filter((event) => event.type === this.begins && event.response_id === responseId);
    return Buffer.concat(deltas.map((event) => Buffer.from(event.delta, 'base64'))).toString('base64');
  }
}

/**
 * A session of the Agents SDK: a typed and a spoken question, a function, an interruption. The session has the function
 * `get_weather`, which puts its arguments into `calls`.
 */
export async function converse({ session, events, microphone, ear, calls }) {
  const errors = [];
  let interrupted = 0;
  session.on('error', (error) => errors.push(error));
  session.on('audio_interrupted', () => interrupted++);

  session.sendMessage('What is three times three?');
  const typed = await events.answer();
  const written = words(typed);
  await ear.audio(typed.id);

  /** The next answer, which shows that the question was understood. */
  async function understoodAnswer(question, isUnderstood) {
    const response = await events.answer();
    if (isUnderstood(response)) return response;
    throw new Error(`${question} was not understood, but as: ${events.heard()}`);
  }

  microphone.say('times');
  const answer = await understoodAnswer('times', (response) => words(response).includes('84'));
  const spoken = { words: words(answer), audio: await ear.audio(answer.id) };
  const isTranscript = ({ type, transcript }) =>
    type === 'conversation.item.input_audio_transcription.completed' && /seven|7/i.test(transcript);
  const understood = (await events.ever(isTranscript)).transcript;

  microphone.say('weather');
  const called = await understoodAnswer('weather', (response) => response.output[0].type === 'function_call');
  const told = await events.answer();
  const tool = { name: called.output[0].name, arguments: JSON.stringify(calls[0]), words: words(told) };
  await ear.audio(told.id);

  microphone.say('story');
  // Not what is left of the answer before: it may be generated before it is begun to be played.
  await events.next(({ type, response_id }) => type === ear.begins && response_id !== told.id);
  await pause(1500);
  microphone.say('again');
  const truncated = await events.next('conversation.item.truncated');
  const last = await understoodAnswer('again', (response) => words(response).includes('78'));
  const interruption = {
    heard_ms: truncated.audio_end_ms,
    words: words(last),
    audio: await ear.audio(last.id),
    told: interrupted,
  };
  return { written, understood, spoken, tool, interruption, errors };
}
