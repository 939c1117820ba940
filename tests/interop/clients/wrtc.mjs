// @roamhq/wrtc: libwebrtc, as in Chromium and the mobile SDKs, for Node.js. Sound goes in and out as PCM.

import wrtc from "@roamhq/wrtc";

import { pause, run, testData, versionOf } from "./script.mjs";
import { W3cPeer } from "./w3c_peer.mjs";

const { RTCAudioSink, RTCAudioSource } = wrtc.nonstandard;
const WAV_HEADER_BYTES = 44;
const SAMPLE_RATE = 16_000;
const CHUNK_MS = 10;
const CHUNK_SAMPLES = (SAMPLE_RATE * CHUNK_MS) / 1000;

class Peer extends W3cPeer {
  #source = new RTCAudioSource();
  #heard = [];

  constructor(labels) {
    super(new wrtc.RTCPeerConnection(), labels);
    this.connection.addTrack(this.#source.createTrack());
    this.connection.ontrack = ({ track }) => {
      this.sink = new RTCAudioSink(track);
      this.sink.ondata = (chunk) => this.#heard.push({ ...chunk, samples: chunk.samples.slice() });
    };
  }

  /** Both directions from one moment on: what the sink gave before it counts for nothing. */
  async speak() {
    const file = testData("speech.wav");
    const samples = new Int16Array(file.buffer, file.byteOffset + WAV_HEADER_BYTES, (file.length - WAV_HEADER_BYTES) >> 1);
    this.#heard.length = 0;
    const started = performance.now();
    for (let start = 0; start + CHUNK_SAMPLES <= samples.length; start += CHUNK_SAMPLES) {
      const chunk = samples.slice(start, start + CHUNK_SAMPLES);
      this.#source.onData({ samples: chunk, sampleRate: SAMPLE_RATE });
      await pause(Math.max(0, started + ((start / CHUNK_SAMPLES + 1) * CHUNK_MS) - performance.now()));
    }
    // The first chunks have another rate: those before the first packet.
    const rate = this.#heard.at(-1)?.sampleRate;
    const heard = this.#heard.filter(({ sampleRate }) => sampleRate === rate);
    return {
      form: "samples",
      sent: Buffer.from(samples.slice().buffer).toString("base64"),
      sent_rate: SAMPLE_RATE,
      received: Buffer.concat(heard.map(({ samples: chunk }) => Buffer.from(chunk.buffer))).toString("base64"),
      received_rate: rate,
    };
  }

  close() {
    this.sink?.stop();
    super.close();
  }
}

await run({ version: versionOf("@roamhq/wrtc"), open: async (labels) => new Peer(labels) });
