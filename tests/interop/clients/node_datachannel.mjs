// node-datachannel: libdatachannel, WebRTC in C++, which embedded devices use. It has no codecs and no ICE restart.

import ndc from "node-datachannel";

import { speakFrames } from "./opus_frames.mjs";
import { Inbox, run, versionOf } from "./script.mjs";

const PAYLOAD_TYPE = 111;
const SSRC = 42;
const RTP_HEADER_BYTES = 12;

class Channel {
  #channel;
  #inbox = new Inbox();

  constructor(channel) {
    this.#channel = channel;
    this.label = channel.getLabel();
    channel.onMessage((message) => this.#inbox.put(message));
    this.opened = new Promise((resolve) => channel.onOpen(resolve));
  }

  send(message) {
    if (typeof message === "string") this.#channel.sendMessage(message);
    else this.#channel.sendMessageBinary(message);
  }

  next() {
    return this.#inbox.next();
  }
}

class Peer {
  #connection = new ndc.PeerConnection("interop", { iceServers: [], disableAutoNegotiation: true });
  #track;
  #channels;
  #received = [];
  #waiting = [];

  constructor(labels) {
    this.#connection.onStateChange((state) => this.#waiting.forEach((look) => look(state)));
    this.connected = this.#until("connected");
    this.ended = this.#until("disconnected", "failed", "closed");
    const audio = new ndc.Audio("0", "SendRecv");
    audio.addOpusCodec(PAYLOAD_TYPE);
    audio.addSSRC(SSRC, "interop");
    this.#track = this.#connection.addTrack(audio);
    this.#track.onMessage((packet) => this.#received.push(packet));
    this.#channels = new Map(labels.map((label) => [label, new Channel(this.#connection.createDataChannel(label))]));
  }

  #until(...states) {
    return new Promise((resolve) => this.#waiting.push((state) => states.includes(state) && resolve()));
  }

  channel(label) {
    return this.#channels.get(label);
  }

  async offer() {
    const described = new Promise((resolve) => this.#connection.onLocalDescription(resolve));
    this.#connection.setLocalDescription();
    return described;
  }

  async accept(sdp) {
    this.#connection.setRemoteDescription(sdp, "answer");
  }

  async speak() {
    const payloads = [];
    const audio = await speakFrames((payload, sequence, timestamp) => {
      const header = Buffer.alloc(RTP_HEADER_BYTES);
      header[0] = 0x80;
      header[1] = PAYLOAD_TYPE | (sequence === 0 ? 0x80 : 0);
      header.writeUInt16BE(sequence, 2);
      header.writeUInt32BE(timestamp, 4);
      header.writeUInt32BE(SSRC, 8);
      this.#track.sendMessageBinary(Buffer.concat([header, payload]));
    }, payloads);
    // RTCP comes by the same way: RFC 5761 section 4 tells it by the second byte.
    const isRtp = (packet) => (packet[1] & 0x7f) === PAYLOAD_TYPE;
    return { ...audio, received: this.#received.filter(isRtp).map(payloadOf) };
  }

  close() {
    this.#connection.close();
  }
}

/** Of an RTP packet, in base64; the fabric sends neither CSRCs nor padding (RFC 3550 section 5.1). */
function payloadOf(packet) {
  const extension = packet[0] & 0x10 ? 4 + 4 * packet.readUInt16BE(RTP_HEADER_BYTES + 2) : 0;
  return packet.subarray(RTP_HEADER_BYTES + extension).toString("base64");
}

await run({ version: versionOf("node-datachannel"), open: async (labels) => new Peer(labels) });
