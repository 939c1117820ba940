// The Agents SDK in a page, over WebRTC. The microphone is a recording, the ear records what comes.
import { OpenAIRealtimeWebRTC, RealtimeAgent, RealtimeSession, tool } from '/bundle/openai-realtime-agents.mjs';
import { Events, WEATHER, converse, weatherIn } from '/conversation.mjs';

const RECORDED_HZ = 24_000;
// The microphone is one of real time: where the machine is busy it falters, and that is not the end of a question.
const PATIENT = { type: 'server_vad', silenceDurationMs: 2000, interruptResponse: true };
// Of samples, and for how long the ear hears no more than that when an answer is over.
const QUIET = 0.003;
const QUIET_FOR_MS = 800;

/** A track that is silent where nothing is said. */
class Microphone {
  #context = new AudioContext();
  #out = this.#context.createMediaStreamDestination();
  #saidAt = 0;

  get stream() {
    return this.#out.stream;
  }

  async say(name) {
    const pcm = new Int16Array(await (await fetch(`/speech/${name}`)).arrayBuffer());
    const buffer = this.#context.createBuffer(1, pcm.length, RECORDED_HZ);
    buffer.copyToChannel(Float32Array.from(pcm, (sample) => sample / 32_768), 0);
    const source = this.#context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.#out);
    // One thing after the other.
    const begins = Math.max(this.#context.currentTime, this.#saidAt);
    this.#saidAt = begins + buffer.duration;
    source.start(begins);
  }
}

/** Records the fabric's track from answer to answer. */
class TrackEar {
  begins = 'output_audio_buffer.started';
  rate = 0;
  #heard = [];
  #quietMs = 0;
  #heardMore = () => {};

  constructor(events, element) {
    this.events = events;
    element.addEventListener('playing', () => this.#listen(element.srcObject.getAudioTracks()[0]), { once: true });
  }

  async #listen(track) {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { value: frame, done } = await reader.read();
      if (done) return;
      const samples = new Float32Array(frame.numberOfFrames);
      frame.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
      this.rate = frame.sampleRate;
      this.#heard.push(Int16Array.from(samples, (sample) => sample * 32_767));
      const isQuiet = samples.every((sample) => Math.abs(sample) < QUIET);
      this.#quietMs = isQuiet ? this.#quietMs + (1000 * samples.length) / this.rate : 0;
      this.#heardMore();
      frame.close();
    }
  }

  /** What was heard since the last time, once the response has been played out or cut; PCM in base64. */
  async audio(responseId) {
    const ends = ['output_audio_buffer.stopped', 'output_audio_buffer.cleared'];
    await this.events.ever((event) => ends.includes(event.type) && event.response_id === responseId);
    // What the jitter buffer still holds, by the track's own clock: on a busy machine that is behind.
    this.#quietMs = 0;
    while (this.#quietMs < QUIET_FOR_MS) await new Promise((wake) => (this.#heardMore = wake));
    const bytes = new Uint8Array(await new Blob(this.#heard.splice(0)).arrayBuffer());
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  }
}

export async function run({ url, key }) {
  const calls = [];
  const weather = tool({
    ...WEATHER,
    strict: false,
    execute: async ({ city }) => {
      calls.push({ city });
      return weatherIn(city);
    },
  });
  const agent = new RealtimeAgent({ name: 'Assistant', instructions: 'Be brief.', tools: [weather] });
  const microphone = new Microphone();
  const audioElement = document.querySelector('audio');
  const transport = new OpenAIRealtimeWebRTC({
    baseUrl: `${url}/realtime/calls`,
    mediaStream: microphone.stream,
    audioElement,
  });
  const session = new RealtimeSession(agent, { transport, config: { audio: { input: { turnDetection: PATIENT } } } });
  const events = new Events();
  session.on('transport_event', (event) => events.add(event));
  const ear = new TrackEar(events, audioElement);
  await session.connect({ apiKey: key });
  const callId = transport.callId;
  const result = await converse({ session, events, microphone, ear, calls });
  const history = session.history.map((item) => `${item.type}:${item.role ?? item.name}`);
  session.close();
  return { ...result, history, callId, rate: ear.rate, events: events.all };
}
