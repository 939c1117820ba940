// The picture of the call: two voices on one line of time, yours above it and the worker's below, now at the right.

const STEP_MS = 50;
const BAR = 3;
const PITCH = 5;
const HAIR = 1.5;
const FLAT = { you: 0, worker: 0 };

export class Ribbon {
  #canvas;
  #context;
  #bars = [];
  #pending = FLAT;
  #stepped = 0;
  #colours = {};
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#readColours());
    this.#readColours();
    this.#fit();
  }

  /** Adds levels, 0 to 1 each; the highest of a step becomes its bar. */
  add(you, worker, now) {
    this.#pending = { you: Math.max(you, this.#pending.you), worker: Math.max(worker, this.#pending.worker) };
    if (now - this.#stepped < STEP_MS) return;
    // A tab in the background is called rarely; it must not catch up with a burst of bars.
    this.#stepped = now - this.#stepped < 2 * STEP_MS ? this.#stepped + STEP_MS : now;
    this.#bars.push(this.#pending);
    this.#pending = FLAT;
    const room = Math.ceil(this.#canvas.clientWidth / PITCH) + 2;
    if (this.#bars.length > room) this.#bars.splice(0, this.#bars.length - room);
  }

  clear() {
    this.#bars = [];
    this.draw(0);
  }

  draw(now) {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const middle = height / 2;
    this.#context.clearRect(0, 0, width, height);
    const glide = this.#still.matches ? 0 : Math.min(1, (now - this.#stepped) / STEP_MS) * PITCH;
    const slots = Math.ceil(width / PITCH) + 2;
    for (let slot = 0; slot < slots; slot += 1) {
      const bar = this.#bars[this.#bars.length - 1 - slot];
      const x = width - BAR - slot * PITCH - (this.#bars.length ? glide : 0);
      this.#bar(x, middle - HAIR, -(bar ? bar.you : 0) * (middle - 6), this.#colours.you, !bar);
      this.#bar(x, middle + HAIR, (bar ? bar.worker : 0) * (middle - 6), this.#colours.worker, !bar);
    }
  }

  #bar(x, y, height, colour, empty) {
    const context = this.#context;
    const least = BAR * (y < this.#canvas.clientHeight / 2 ? -1 : 1);
    const length = Math.abs(height) < BAR ? least : height;
    context.fillStyle = empty ? this.#colours.rest : colour;
    context.globalAlpha = empty ? 1 : 0.45 + 0.55 * Math.min(1, Math.abs(height) / 40);
    context.beginPath();
    context.roundRect(x, Math.min(y, y + length), BAR, Math.abs(length), BAR / 2);
    context.fill();
  }

  #readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const [name, property] of [["you", "--you"], ["worker", "--worker"], ["rest", "--rest"]]) {
      this.#colours[name] = style.getPropertyValue(property).trim();
    }
    this.draw(performance.now());
  }

  #fit() {
    const scale = devicePixelRatio;
    this.#canvas.width = Math.round(this.#canvas.clientWidth * scale);
    this.#canvas.height = Math.round(this.#canvas.clientHeight * scale);
    this.#context.setTransform(scale, 0, 0, scale, 0, 0);
    this.draw(performance.now());
  }
}
