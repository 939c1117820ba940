// werift: WebRTC in TypeScript, with no native code and no codecs. It takes new credentials but sends no checks with them
// while DTLS is up: it leaves that to the other side, which an ICE-lite server cannot do. So there is no ICE restart here.

import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters, RtpHeader, RtpPacket } from "werift";

import { speakFrames } from "./opus_frames.mjs";
import { run, versionOf } from "./script.mjs";
import { W3cPeer } from "./w3c_peer.mjs";

const PAYLOAD_TYPE = 111;

class Peer extends W3cPeer {
  #track = new MediaStreamTrack({ kind: "audio" });
  #received = [];
  restart = null;

  constructor(labels) {
    const parameters = { mimeType: "audio/opus", clockRate: 48000, channels: 2, payloadType: PAYLOAD_TYPE };
    const codecs = { audio: [new RTCRtpCodecParameters(parameters)] };
    super(new RTCPeerConnection({ codecs, iceServers: [] }), labels);
    this.connection.onTrack.subscribe((track) => track.onReceiveRtp.subscribe(({ payload }) => this.#received.push(payload)));
    this.connection.addTransceiver(this.#track, { direction: "sendrecv" });
  }

  speak() {
    return speakFrames((payload, sequenceNumber, timestamp) => {
      const header = new RtpHeader({ payloadType: PAYLOAD_TYPE, sequenceNumber, timestamp, ssrc: 1, marker: sequenceNumber === 0 });
      this.#track.writeRtp(new RtpPacket(header, payload));
    }, this.#received);
  }
}

// An empty message has an identifier of its own (RFC 8831 section 6.6), with which werift receives but does not send.
await run({ version: versionOf("werift"), open: async (labels) => new Peer(labels), sendsNoEmptyMessage: true });
