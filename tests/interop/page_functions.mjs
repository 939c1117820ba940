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

/** Records both directions until stopRecording. @param module where the worklet can be loaded from */
export async function startRecording(module) {
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  await context.audioWorklet.addModule(module);
  const node = new AudioWorkletNode(context, "recorder", { numberOfInputs: 2, numberOfOutputs: 1 });
  const chunks = [];
  node.port.onmessage = ({ data }) => chunks.push(data);
  const { localStream, remoteStream } = window.interop ?? window.offhook;
  [localStream, remoteStream].forEach((stream, input) =>
    context.createMediaStreamSource(stream).connect(node, 0, input),
  );
  // A node that leads nowhere need not be run; this one's output is silence.
  node.connect(context.destination);
  window.recording = { context, chunks };
}

/** Ends the recording. @returns base64 of 16-bit samples at 48 kHz: local, remote, local, remote … */
export async function stopRecording() {
  const { context, chunks } = window.recording;
  await context.close();
  const blob = new Blob(chunks);
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
  return url.slice(url.indexOf(",") + 1);
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
