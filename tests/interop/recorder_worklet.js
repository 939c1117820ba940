// Records two signals, sample by sample side by side: what the microphone gave, and what came back.

const CHUNK_FRAMES = 4800;

class Recorder extends AudioWorkletProcessor {
  #chunk = new Int16Array(2 * CHUNK_FRAMES);
  #frames = 0;

  process(inputs) {
    // An input without a source has no channel: silence.
    const [local, remote] = inputs.map((input) => input[0]);
    const length = (local ?? remote)?.length ?? 128;
    for (let index = 0; index < length; index += 1) {
      this.#chunk[2 * this.#frames] = this.#quantise(local?.[index] ?? 0);
      this.#chunk[2 * this.#frames + 1] = this.#quantise(remote?.[index] ?? 0);
      this.#frames += 1;
      if (this.#frames === CHUNK_FRAMES) this.#flush();
    }
    return true;
  }

  #quantise(sample) {
    return Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
  }

  #flush() {
    this.port.postMessage(this.#chunk.slice());
    this.#frames = 0;
  }
}

registerProcessor("recorder", Recorder);
