// How loud a stream is, by an AnalyserNode.

export const SILENCE_DB = -60;

export class LevelMeter {
  #analyser;
  #source;
  #samples;

  /** @param {AudioContext} context @param {MediaStream} stream with an audio track */
  constructor(context, stream) {
    this.#source = context.createMediaStreamSource(stream);
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = 1024;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source.connect(this.#analyser);
  }

  /** The peak of the last 21 ms in dBFS, from SILENCE_DB to 0. */
  read() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let peak = 0;
    for (const sample of this.#samples) peak = Math.max(peak, Math.abs(sample));
    return Math.max(SILENCE_DB, Math.min(0, 20 * Math.log10(peak)));
  }

  close() {
    this.#source.disconnect();
  }
}

/** A level in dBFS as a share of the meter, 0 to 1; bent so that speech, mostly within 20 dB of the top, shows its shape. */
export function share(db) {
  return (1 - db / SILENCE_DB) ** 2;
}
