// Calls with werift, which shares no code with offhook, and sends real Opus frames, one every 20 ms.
//
//   node werift_caller.mjs HTTP API_KEY DATA_DIRECTORY MODEL
//
// Prints one JSON object: {"sent": [base64 payloads], "received": [the same], "connected_ms", "hang_up_status"}.

import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters, RtpHeader, RtpPacket } from "werift";

import { speakFrames } from "./clients/opus_frames.mjs";

const [http, apiKey, , model] = process.argv.slice(2);
const PAYLOAD_TYPE = 111;
const HEADERS = { Authorization: `Bearer ${apiKey}` };

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

const received = [];
const track = new MediaStreamTrack({ kind: "audio" });
const peer = new RTCPeerConnection({
  codecs: { audio: [new RTCRtpCodecParameters({ mimeType: "audio/opus", clockRate: 48000, channels: 2, payloadType: PAYLOAD_TYPE })] },
});
peer.onTrack.subscribe((theirs) => theirs.onReceiveRtp.subscribe(({ payload }) => received.push(payload)));
peer.addTransceiver(track, { direction: "sendrecv" });

const started = performance.now();
const connected = untilConnected(peer);
const location = await call(peer);
await connected;
const connectedMs = performance.now() - started;
const { sent, received: returned } = await speakFrames((payload, sequenceNumber, timestamp) => {
  const header = new RtpHeader({ payloadType: PAYLOAD_TYPE, sequenceNumber, timestamp, ssrc: 1, marker: sequenceNumber === 0 });
  track.writeRtp(new RtpPacket(header, payload));
}, received);
const hangUp = await fetch(`${location}/hangup`, { method: "POST", headers: HEADERS });
await peer.close();

const result = { sent, received: returned, connected_ms: connectedMs, hang_up_status: hangUp.status };
process.stdout.write(JSON.stringify(result), () => process.exit(0));
