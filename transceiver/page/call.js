// One call, from the microphone to its end. It knows WebRTC and nothing of the document.
//
//   asking ──▶ connecting ──▶ connected ◀──▶ interrupted
//      └────────────┴──────────────┴──────────────┴──▶ ended
//
// asking: the browser asks for the microphone. interrupted: the path is silent, ICE looks for it again.

import { hangUpCall, placeCall } from "./api.js";

const SETUP_DEADLINE_MS = 15_000;
const NO_PATH =
  "No sound could be exchanged: the relay's UDP port cannot be reached from here. A firewall may be in the way.";
const LOOPBACK_ONLY =
  "No sound could be exchanged: the relay offers only 127.0.0.1, where Firefox sends nothing. Start offhook with " +
  "--media and this machine's network address, or use another browser.";
const LOST = "The connection was lost.";
const MICROPHONE_GONE = "The microphone is gone, so the call ended.";
const REMOTE_END = "The other side ended the call.";

function explainMicrophone(error) {
  switch (error.name) {
    case "NotAllowedError":
      return "The microphone is blocked. Allow it for this site in the address bar, then call again.";
    case "NotFoundError":
      return "No microphone was found. Connect one, then call again.";
    case "NotReadableError":
      return "The microphone is busy in another program. Close that program, then call again.";
    default:
      return `The microphone could not be opened: ${error.message}`;
  }
}

/** Why no path was found to the addresses that an SDP answer names; null: before the answer. */
function explainNoPath(answer) {
  const hosts = [...(answer ?? "").matchAll(/^a=candidate:\S+ \d \S+ \d+ (\S+)/gm)].map(([, host]) => host);
  const loopback = hosts.length > 0 && hosts.every((host) => host.startsWith("127.") || host === "::1");
  return loopback && navigator.userAgent.includes("Firefox/") ? LOOPBACK_ONLY : NO_PATH;
}

/**
 * Events: `statechange`; `message` (detail: one parsed Realtime event); `remotestream`.
 * After the end, `endReason` is a sentence, or null when the person hung up; `failure` is the Error of an end that is
 * nobody's wish.
 */
export class Call extends EventTarget {
  state = "asking";
  endReason = null;
  failure = null;
  id = null;
  localStream = null;
  remoteStream = null;
  /** Milliseconds on performance.now()'s clock. The page adds `firstAudio`, which it hears. */
  timings = { clicked: performance.now(), posted: null, answered: null, connected: null, firstAudio: null };

  #key;
  #abort = new AbortController();
  #deadline = null;
  #lastError = null;

  constructor(key) {
    super();
    this.#key = key;
    this.peer = new RTCPeerConnection();
    this.channel = this.peer.createDataChannel("oai-events");
    this.#watchPeer();
    this.#watchChannel();
  }

  /** Resolves when the answer is in or the call has ended; never rejects. `processing` false: the bare microphone. */
  async start(model, { processing = true } = {}) {
    try {
      await this.#openMicrophone(processing);
      if (this.state === "ended") return;
      this.#become("connecting");
      await this.peer.setLocalDescription();
      this.timings.posted = performance.now();
      // The offer goes out at once, without candidates: the relays' addresses are in the answer, and that is enough.
      const { answer, id } = await placeCall(this.#key, model, this.peer.localDescription.sdp, this.#abort.signal);
      this.timings.answered = performance.now();
      this.id = id;
      if (this.state === "ended") return this.#tellServer();
      await this.peer.setRemoteDescription({ type: "answer", sdp: answer });
      this.#watchTransport();
    } catch (error) {
      this.#fail(error);
    }
  }

  hangUp() {
    this.#end(null);
  }

  setMuted(muted) {
    for (const track of this.localStream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  async #openMicrophone(processing) {
    if (!navigator.mediaDevices) {
      throw new Error("The browser gives the microphone only to pages from https:// or from this machine.");
    }
    const audio = { echoCancellation: processing, noiseSuppression: processing, autoGainControl: processing };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new Error(explainMicrophone(error), { cause: error });
    }
    this.localStream = stream;
    if (this.state === "ended") return this.#release();
    for (const track of stream.getAudioTracks()) {
      track.addEventListener("ended", () => this.#fail(new Error(MICROPHONE_GONE)));
      this.peer.addTrack(track, stream);
    }
  }

  #watchPeer() {
    this.peer.addEventListener("track", (event) => {
      this.remoteStream = event.streams[0] ?? new MediaStream([event.track]);
      this.dispatchEvent(new Event("remotestream"));
    });
    this.peer.addEventListener("connectionstatechange", () => {
      const wasUp = this.timings.connected !== null;
      switch (this.peer.connectionState) {
        case "connected":
          clearTimeout(this.#deadline);
          this.timings.connected ??= performance.now();
          return this.#become("connected");
        case "disconnected":
          return this.#become("interrupted");
        case "failed":
          return wasUp ? this.#fail(new Error(LOST)) : this.#noPath();
        case "closed":
          return this.#remoteEnd();
      }
    });
    this.#deadline = setTimeout(() => this.#noPath(), SETUP_DEADLINE_MS);
  }

  /** A close_notify shows on the DTLS transport first; the connection itself may stay "connected" for long. */
  #watchTransport() {
    const transport = this.peer.getSenders()[0]?.transport;
    transport?.addEventListener("statechange", () => {
      if (transport.state === "closed") this.#remoteEnd();
    });
  }

  #watchChannel() {
    let opened = false;
    this.channel.addEventListener("open", () => {
      opened = true;
      // The page shows what was understood; a model that cannot say leaves it out. Who talks to a page wants an answer
      // as soon as the question is over, and may think aloud: the sentence decides, not the length of the pause.
      const input = { transcription: { model: "default" }, turn_detection: { type: "semantic_vad", eagerness: "high" } };
      const session = { type: "realtime", audio: { input } };
      this.channel.send(JSON.stringify({ type: "session.update", session }));
    });
    this.channel.addEventListener("message", ({ data }) => this.#receive(data));
    // A transceiver without data channels refuses this one before it ever opened: that ends nothing.
    this.channel.addEventListener("close", () => opened && this.#remoteEnd());
  }

  #receive(data) {
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      return; // Not an event of the Realtime API; those are JSON text.
    }
    if (event.type === "error") this.#lastError = event.error?.message ?? null;
    this.dispatchEvent(new CustomEvent("message", { detail: event }));
  }

  #become(state) {
    if (this.state === "ended" || this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("statechange"));
  }

  /** What the other side complained of last explains its leaving better than "it left". */
  #remoteEnd() {
    if (this.#lastError) this.#fail(new Error(`The call ended: ${this.#lastError}`));
    else this.#end(REMOTE_END);
  }

  #noPath() {
    this.#fail(new Error(explainNoPath(this.peer.remoteDescription?.sdp)));
  }

  #fail(error) {
    this.#end(error.message, error);
  }

  #end(reason, failure = null) {
    if (this.state === "ended") return;
    clearTimeout(this.#deadline);
    this.endReason = reason;
    this.failure = failure;
    this.#become("ended");
    this.#abort.abort();
    this.#release();
    this.#tellServer();
  }

  #release() {
    for (const track of this.localStream?.getTracks() ?? []) track.stop();
    this.peer.close();
  }

  async #tellServer() {
    if (!this.id) return;
    try {
      await hangUpCall(this.#key, this.id);
    } catch (error) {
      // The call is over here either way; the transceiver ends it by itself when consent expires.
      console.info(`hang-up: ${error.message}`);
    }
  }
}
