// A peer for script.mjs over any RTCPeerConnection in the shape of the W3C's.

import { Inbox } from "./script.mjs";

class Channel {
  #channel;
  #inbox = new Inbox();

  constructor(channel) {
    this.#channel = channel;
    this.label = channel.label;
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => this.#inbox.put(data);
    this.opened = new Promise((resolve) => (channel.onopen = () => resolve()));
    this.closed = new Promise((resolve) => (channel.onclose = () => resolve()));
  }

  send(message) {
    this.#channel.send(typeof message === "string" ? message : Buffer.from(message));
  }

  next() {
    return this.#inbox.next();
  }
}

export class W3cPeer {
  #channels;
  #waiting = [];

  constructor(connection, labels) {
    this.connection = connection;
    this.#channels = new Map(labels.map((label) => [label, new Channel(connection.createDataChannel(label))]));
    // By property: werift announces this change to no event listener.
    connection.onconnectionstatechange = () => this.#waiting.forEach((look) => look(connection.connectionState));
    this.connected = this.#until("connected");
    const over = this.#until("disconnected", "failed", "closed");
    this.ended = Promise.race([over, ...[...this.#channels.values()].map((channel) => channel.closed)]);
  }

  #until(...states) {
    return new Promise((resolve) => this.#waiting.push((state) => states.includes(state) && resolve()));
  }

  channel(label) {
    return this.#channels.get(label);
  }

  async offer(options = {}) {
    await this.connection.setLocalDescription(await this.connection.createOffer(options));
    return this.connection.localDescription.sdp;
  }

  accept(sdp) {
    return this.connection.setRemoteDescription({ type: "answer", sdp });
  }

  restart() {
    return this.offer({ iceRestart: true });
  }

  close() {
    return this.connection.close();
  }
}
