// Calls with werift, which shares no code with offhook, and sends real Opus frames, one every 20 ms.
//
//   node werift_caller.mjs HTTP API_KEY MODEL SPEECH.opus
//
// Prints one JSON object: {"sent": [base64 payloads], "received": [the same], "connected_ms", "hang_up_status"}.

import { readFileSync } from "node:fs";

import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters, RtpHeader, RtpPacket } from "werift";

const [http, apiKey, model, speech] = process.argv.slice(2);
const FRAME_MS = 20;
const SAMPLES_PER_FRAME = 960;
const AFTERWARDS_MS = 1000; // for what is still on its way when the last frame is sent
const HEADERS = { Authorization: `Bearer ${apiKey}` };

/** The packets of an Ogg stream without its two header packets (RFC 3533 section 6, RFC 7845 section 3). */
function readOggPackets(bytes) {
  const packets = [];
  let begun = [];
  for (let page = 0; page < bytes.length; ) {
    const lacing = bytes.subarray(page + 27, page + 27 + bytes[page + 26]);
    let start = page + 27 + lacing.length;
    for (const length of lacing) {
      begun.push(bytes.subarray(start, start + length));
      start += length;
      // A segment of 255 bytes is continued by the next.
      if (length === 255) continue;
      packets.push(Buffer.concat(begun));
      begun = [];
    }
    page = start;
  }
  return packets.slice(2);
}

async function call(peer) {
  await peer.setLocalDescription(await peer.createOffer());
  const response = await fetch(`${http}/v1/realtime/calls?model=${model}`, {
    method: "POST",
    headers: { ...HEADERS, "Content-Type": "application/sdp" },
    body: peer.localDescription.sdp,
  });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(`${response.status}: ${answer}`);
  await peer.setRemoteDescription({ type: "answer", sdp: answer });
  return new URL(response.headers.get("Location"), http);
}

function untilConnected(peer) {
  return new Promise((resolve, reject) => {
    peer.connectionStateChange.subscribe((state) => {
      if (state === "connected") resolve();
      if (state === "failed") reject(new Error("the connection failed"));
    });
  });
}

async function sendAll(track, payloads) {
  const started = performance.now();
  for (const [index, payload] of payloads.entries()) {
    const header = new RtpHeader({
      payloadType: 111,
      sequenceNumber: index,
      timestamp: index * SAMPLES_PER_FRAME,
      ssrc: 1,
      marker: index === 0,
    });
    track.writeRtp(new RtpPacket(header, payload));
    // Against the clock, not after a fixed pause: timers come late, and lateness must not add up.
    const wait = started + (index + 1) * FRAME_MS - performance.now();
    await new Promise((wake) => setTimeout(wake, Math.max(0, wait)));
  }
}

const received = [];
const track = new MediaStreamTrack({ kind: "audio" });
const peer = new RTCPeerConnection({
  codecs: { audio: [new RTCRtpCodecParameters({ mimeType: "audio/opus", clockRate: 48000, channels: 2, payloadType: 111 })] },
});
peer.onTrack.subscribe((theirs) => theirs.onReceiveRtp.subscribe(({ payload }) => received.push(payload)));
peer.addTransceiver(track, { direction: "sendrecv" });

const started = performance.now();
const connected = untilConnected(peer);
const location = await call(peer);
await connected;
const connectedMs = performance.now() - started;
const sent = readOggPackets(readFileSync(speech));
await sendAll(track, sent);
await new Promise((wake) => setTimeout(wake, AFTERWARDS_MS));
const hangUp = await fetch(`${location}/hangup`, { method: "POST", headers: HEADERS });
await peer.close();

const encode = (payloads) => payloads.map((payload) => payload.toString("base64"));
const result = { sent: encode(sent), received: encode(received), connected_ms: connectedMs, hang_up_status: hangUp.status };
process.stdout.write(JSON.stringify(result), () => process.exit(0));
