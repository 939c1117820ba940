// Functions that run inside the page. Each is sent as source text, so none may use anything outside itself.

/** Resolves when the call is up or has ended. */
export async function settled() {
  while (!["connected", "ended"].includes(window.offhook.state)) await new Promise((wake) => setTimeout(wake, 5));
}

/** Where the call stands: what window.offhook says, and what the page shows to the person. */
export function status() {
  const { state, endReason, callId, timings } = window.offhook;
  const notice = document.getElementById("notice");
  return { state, end_reason: endReason, call_id: callId, timings: { ...timings }, notice: notice.textContent };
}

/**
 * Before the page's own code: a microphone in a quiet room (noise at -70 dBFS) that says what `speak` is given. Without
 * the room it would send no packets between, which no real microphone does.
 */
export function scriptMicrophone() {
  navigator.mediaDevices.getUserMedia = async () => {
    const context = new AudioContext({ sampleRate: 48000 });
    const destination = context.createMediaStreamDestination();
    const noise = new AudioBuffer({ length: 2 * 48000, sampleRate: 48000 });
    const samples = noise.getChannelData(0);
    for (let index = 0; index < samples.length; index += 1) samples[index] = (2 * Math.random() - 1) * 0.00055;
    const room = new AudioBufferSourceNode(context, { buffer: noise, loop: true });
    room.connect(destination);
    room.start();
    await context.resume();
    window.microphone = { context, destination };
    return destination.stream;
  };
}

/** Says it into the scripted microphone, to its end. @param speech base64 of 16-bit samples at 16 kHz */
export async function speak(speech) {
  const { context, destination } = window.microphone;
  const bytes = Uint8Array.from(atob(speech), (character) => character.charCodeAt(0));
  const samples = Float32Array.from(new Int16Array(bytes.buffer), (sample) => sample / 32768);
  const buffer = new AudioBuffer({ length: samples.length, sampleRate: 16000 });
  buffer.copyToChannel(samples, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(destination);
  source.start();
  await new Promise((ended) => source.addEventListener("ended", ended, { once: true }));
}

/** Keeps the Realtime API's events from now on, with their times. */
export function watchEvents() {
  window.events = [];
  window.offhook.channel.addEventListener("message", ({ data }) =>
    window.events.push({ at: performance.now(), ...JSON.parse(data) }),
  );
}

/** @returns the events since this was asked last */
export function takeEvents() {
  return window.events.splice(0);
}

/** Sends an event, once the channel is open. */
export async function sendEvent(event) {
  const { channel } = window.offhook;
  if (channel.readyState === "connecting") {
    await new Promise((open) => channel.addEventListener("open", open, { once: true }));
  }
  channel.send(JSON.stringify(event));
}

/** @returns how long sound has waited in the jitter buffer so far: seconds, over all samples of so many */
export async function jitterBuffer() {
  const reports = [...(await window.offhook.peer.getStats()).values()];
  const { jitterBufferDelay, jitterBufferEmittedCount } = reports.find(({ type }) => type === "inbound-rtp");
  return { waited: jitterBufferDelay, samples: jitterBufferEmittedCount };
}

/** @returns when the newest packet of sound came, by performance.now() */
export async function lastPacketAt() {
  const reports = [...(await window.offhook.peer.getStats()).values()];
  const { lastPacketReceivedTimestamp } = reports.find(({ type }) => type === "inbound-rtp");
  return lastPacketReceivedTimestamp - performance.timeOrigin;
}

/** Records both directions until stopRecording. @param module where the worklet can be loaded from */
export async function startRecording(module) {
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  await context.audioWorklet.addModule(module);
  const node = new AudioWorkletNode(context, "recorder", { numberOfInputs: 2, numberOfOutputs: 1 });
  const recording = { context, chunks: [], beganAt: Infinity };
  let frames = 0;
  node.port.onmessage = ({ data }) => {
    recording.chunks.push(data);
    frames += data.length / 2;
    // No chunk comes early, so the least late one tells best when the first frame was recorded.
    recording.beganAt = Math.min(recording.beganAt, performance.now() - frames / 48);
  };
  const { localStream, remoteStream } = window.interop ?? window.offhook;
  [localStream, remoteStream].forEach((stream, input) =>
    context.createMediaStreamSource(stream).connect(node, 0, input),
  );
  // A node that leads nowhere need not be run; this one's output is silence.
  node.connect(context.destination);
  window.recording = recording;
}

/** Ends the recording. @returns samples: base64 of 16-bit at 48 kHz, local, remote, local …; beganAt: when, in ms */
export async function stopRecording() {
  const { context, chunks, beganAt } = window.recording;
  await context.close();
  const blob = new Blob(chunks);
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
  return { samples: url.slice(url.indexOf(",") + 1), beganAt };
}

/** Notes from now on when packets arrive, by looking at getStats as often as the browser renews it. */
export function watchArrivals() {
  const arrivals = [];
  const look = async () => {
    for (const report of (await window.offhook.peer.getStats()).values()) {
      if (report.type !== "inbound-rtp") continue;
      const { packetsReceived: packets, packetsLost: lost, concealedSamples: concealed } = report;
      if (arrivals.at(-1)?.packets !== packets) arrivals.push({ at: report.timestamp, packets, lost, concealed });
    }
  };
  window.arrivals = { list: arrivals, timer: setInterval(look, 10) };
}

/** Ends watchArrivals. @returns one entry per observation that found new packets; `at` in ms */
export function takeArrivals() {
  clearInterval(window.arrivals.timer);
  return window.arrivals.list;
}

export function hangUp() {
  window.offhook.hangUp();
}
