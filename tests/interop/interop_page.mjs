// The steps of clients/script.mjs for a browser. Each function runs in the page and is sent as source text, so none may use
// anything outside itself; what they share is in window.interop.

/** A peer with a microphone and data channels, called by WHIP. @returns {offer, call}: its SDP, the call's id */
export async function place({ apiKey, labels, model }) {
  const processing = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const localStream = await navigator.mediaDevices.getUserMedia({ audio: processing });
  const peer = new RTCPeerConnection();
  const interop = { apiKey, peer, localStream, channels: {} };
  const heard = new Promise((resolve) => peer.addEventListener("track", ({ streams }) => resolve(streams[0])));
  interop.ended = new Promise((resolve) => {
    for (const label of labels) {
      interop.channels[label] = peer.createDataChannel(label);
      interop.channels[label].binaryType = "arraybuffer";
      interop.channels[label].addEventListener("close", () => resolve());
    }
  });
  const open = labels.map((label) => new Promise((resolve) => interop.channels[label].addEventListener("open", resolve)));
  localStream.getTracks().forEach((track) => peer.addTrack(track, localStream));
  await peer.setLocalDescription();
  const offer = peer.localDescription.sdp;
  const response = await fetch(`/whip?model=${model}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/sdp" },
    body: offer,
  });
  interop.answer = await response.text();
  if (response.status !== 201) throw new Error(interop.answer);
  interop.location = response.headers.get("Location");
  await peer.setRemoteDescription({ type: "answer", sdp: interop.answer });
  interop.remoteStream = await heard;
  // Chromium decodes a remote stream for Web Audio only while an element plays it.
  interop.player = Object.assign(new Audio(), { srcObject: interop.remoteStream, muted: true });
  await interop.player.play();
  window.interop = interop;
  await Promise.all(open);
  return { offer, call: interop.location.split("/").pop() };
}

/** Whether each message comes back as it was sent. @param messages texts, and {binary: length} */
export async function echoes({ label, messages }) {
  const channel = window.interop.channels[label];
  for (const message of messages) {
    const sent =
      typeof message === "string" ? message : Uint8Array.from({ length: message.binary }, (_, index) => (index * 7) % 251);
    const reply = new Promise((resolve) => channel.addEventListener("message", ({ data }) => resolve(data), { once: true }));
    channel.send(sent);
    const received = await reply;
    if (typeof sent === "string" ? received !== sent : String(new Uint8Array(received)) !== String(sent)) return false;
  }
  return true;
}

/** Sends numbered messages as fast as the browser's own buffer takes them. @returns what came back, and in how long */
export async function flood({ label, count, bytes }) {
  const channel = window.interop.channels[label];
  const numbers = [];
  const all = new Promise((resolve) =>
    channel.addEventListener("message", ({ data }) => {
      numbers.push(new DataView(data).getUint32(0));
      if (numbers.length === count) resolve();
    }),
  );
  const began = performance.now();
  channel.bufferedAmountLowThreshold = 1_000_000;
  for (let number = 0; number < count; number++) {
    if (channel.bufferedAmount > 8_000_000) {
      await new Promise((low) => channel.addEventListener("bufferedamountlow", low, { once: true }));
    }
    const message = new DataView(new ArrayBuffer(bytes));
    message.setUint32(0, number);
    channel.send(message);
  }
  await all;
  return { inOrder: numbers.every((number, index) => number === index), ms: performance.now() - began };
}

/** ICE restart by WHIP's PATCH (RFC 9725 section 4.3.3). */
export async function restartIce() {
  const { peer, apiKey, location, answer } = window.interop;
  const credentials = /^a=ice-(?:ufrag|pwd):\S+/gm;
  await peer.setLocalDescription(await peer.createOffer({ iceRestart: true }));
  const response = await fetch(location, {
    method: "PATCH",
    headers: {
      Authorization: `Bearer ${apiKey}`,
      "Content-Type": "application/trickle-ice-sdpfrag",
      "If-Match": "*",
    },
    body: `${peer.localDescription.sdp.match(credentials).slice(0, 2).join("\r\n")}\r\n`,
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(text);
  const fresh = Object.fromEntries(text.match(credentials).map((line) => [line.split(":")[0], line]));
  const sdp = answer.replace(credentials, (line) => fresh[line.split(":")[0]]);
  await peer.setRemoteDescription({ type: "answer", sdp });
}

/** Lets the server end the call. @returns whether the browser notices within 10 s */
export async function hangUpByServer() {
  const { apiKey, location, ended } = window.interop;
  await fetch(location, { method: "DELETE", headers: { Authorization: `Bearer ${apiKey}` } });
  const late = new Promise((resolve) => setTimeout(() => resolve(false), 10_000));
  return Promise.race([ended.then(() => true), late]);
}

export function close() {
  window.interop.peer.close();
}
