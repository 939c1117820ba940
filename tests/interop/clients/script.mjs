// What every JavaScript client does, in one order, so that the rows of docs/interop.md compare like with like:
//
//   node CLIENT.mjs HTTP API_KEY DATA_DIRECTORY
//
// First call: offer, answer, two data channels, speech with an ICE restart in its midst, hang-up by the server.
// Second call: hang-up by the client. Prints one JSON object, which ../findings.py describes.

import { readFileSync } from "node:fs";
import { join } from "node:path";

const [http, apiKey, data] = process.argv.slice(2);

export const MODEL = "loopback";
export const EVENTS = "oai-events";
export const OTHER = "interop";
const RESTART_AFTER_MS = 2500;
const PATIENCE_MS = 20_000;
const HANG_UP_SEEN_WITHIN_MS = 10_000;
const GOODBYE_MS = 500;
const LONG_MESSAGE_BYTES = 50_000;

export const pause = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

/** Fails if `promise` does not settle in time. @param what what is waited for */
export async function within(milliseconds, promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${milliseconds} ms: ${what}`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The version of an installed package. */
export function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url))).version;
}

/** The bytes of a file of test data. */
export const testData = (name) => readFileSync(join(data, name));

async function request(method, path, headers = {}, body = undefined) {
  const response = await fetch(new URL(path, http), {
    method,
    headers: { Authorization: `Bearer ${apiKey}`, ...headers },
    body,
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** A call by WHIP (RFC 9725), the only signalling of the fabric that knows ICE restarts. */
class Call {
  static async place(peer) {
    const offer = await peer.offer();
    const posted = await request("POST", `/whip?model=${MODEL}`, { "Content-Type": "application/sdp" }, offer);
    if (posted.status !== 201) throw new Error(`${posted.status}: ${posted.text}`);
    const call = new Call(posted.headers.get("Location"), posted.text, offer);
    await peer.accept(posted.text);
    await within(PATIENCE_MS, peer.connected, "connected");
    return call;
  }

  constructor(path, answer, offer) {
    this.path = path;
    this.answer = answer;
    this.offer = offer;
    this.id = path.split("/").pop();
  }

  /** Sends the client's new credentials (RFC 9725 section 4.3.3). @returns the answer with the server's new ones */
  async restart(offer) {
    const lines = offer.match(/^a=ice-(ufrag|pwd):\S+/gm).slice(0, 2);
    const patched = await request(
      "PATCH",
      this.path,
      { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*" },
      `${lines.join("\r\n")}\r\n`,
    );
    if (patched.status !== 200) throw new Error(`${patched.status}: ${patched.text}`);
    let answer = this.answer;
    for (const name of ["ufrag", "pwd"]) {
      const [line] = patched.text.match(new RegExp(`^a=ice-${name}:\\S+`, "m"));
      answer = answer.replace(new RegExp(`^a=ice-${name}:\\S+`, "gm"), line);
    }
    return answer;
  }

  async hangUp() {
    const { status, text } = await request("DELETE", this.path);
    if (status !== 200) throw new Error(`${status}: ${text}`);
  }
}

/** Whether text and binary messages, short, empty and longer than a packet, come back as they were sent. */
async function echoes(channel, messages) {
  await within(PATIENCE_MS, channel.opened, `channel ${channel.label} open`);
  const returned = [];
  for (const message of messages) {
    channel.send(message);
    returned.push(await within(PATIENCE_MS, channel.next(), `an echo on ${channel.label}`));
  }
  return messages.every((message, index) =>
    typeof message === "string"
      ? message === returned[index]
      : typeof returned[index] !== "string" && Buffer.from(message).equals(Buffer.from(returned[index])),
  );
}

/** Messages of one channel, to be awaited one by one. */
export class Inbox {
  #messages = [];
  #waiting = [];

  put(message) {
    const next = this.#waiting.shift();
    if (next) next(message);
    else this.#messages.push(message);
  }

  next() {
    if (this.#messages.length > 0) return Promise.resolve(this.#messages.shift());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

async function firstCall(client) {
  const peer = await client.open([EVENTS, OTHER]);
  const call = await Call.place(peer);
  const binary = Uint8Array.from({ length: LONG_MESSAGE_BYTES }, (_, index) => (index * 7) % 251);
  const events = await echoes(peer.channel(EVENTS), ['{"type":"session.update"}', "grüß dich, 世界"]);
  const empty = client.sendsNoEmptyMessage ? [] : [""];
  const long = "x".repeat(LONG_MESSAGE_BYTES);
  const other = await echoes(peer.channel(OTHER), ["text", ...empty, new Uint8Array([0, 255]), long, binary]);
  const speaking = peer.speak();
  if (peer.restart) {
    await pause(RESTART_AFTER_MS);
    await peer.accept(await call.restart(await peer.restart()));
  }
  const audio = await speaking;
  await call.hangUp();
  const sawHangUp = await within(HANG_UP_SEEN_WITHIN_MS, peer.ended, "the hang-up").then(
    () => true,
    () => false,
  );
  await peer.close();
  return { call: call.id, offer: call.offer, echoed: events && other, audio, saw_hang_up: sawHangUp };
}

async function secondCall(client) {
  const peer = await client.open([EVENTS]);
  const call = await Call.place(peer);
  await within(PATIENCE_MS, peer.channel(EVENTS).opened, "the channel of the second call");
  await peer.close();
  // Some libraries say goodbye from a thread of their own.
  await pause(GOODBYE_MS);
  return call.id;
}

/**
 * Runs the script with a client and prints what it found.
 * @param client {version, open(labels) → peer, sendsNoEmptyMessage}
 */
export async function run(client) {
  const findings = { version: client.version, ...(await firstCall(client)), closed_call: await secondCall(client) };
  process.stdout.write(JSON.stringify(findings), () => process.exit(0));
}
