// The page: joins the call, its sound, its figures and the document.
//
// Address: ?model=NAME chooses the model; ?processing=off turns the browser's echo cancellation, noise suppression and
// gain control off, so that measurements see the bare sound; #key=KEY hands over the API key.

import { listModels } from "./api.js";
import { ApiKey } from "./api_key.js";
import { Call } from "./call.js";
import { LevelMeter, SILENCE_DB, share } from "./levels.js";
import { Quality } from "./quality.js";
import { Ribbon } from "./ribbon.js";
import { Transcript } from "./transcript.js";
import * as view from "./view.js";

const LISTEN_MS = 20;
const QUALITY_MS = 1000;
const MODELS_RETRY_MS = 3000;

const address = new URLSearchParams(location.search);
const wantedModel = address.get("model");
const processing = address.get("processing") !== "off";

const key = new ApiKey(view.keyDialog);
const ribbon = new Ribbon(view.ribbonCanvas);
const transcript = new Transcript(view.transcriptSection, view.transcriptList);

let call = null;
let sound = null; // The AudioContext of the page; browsers start one only after a gesture, so the first call makes it.
let meters = {};
let muted = false;
let timers = {};

async function refreshModels() {
  const held = await key.get();
  if (!held) return view.showNotice("Without an API key no call can be placed. Press Call to enter one.", "plain");
  try {
    const models = await listModels(held);
    if (!onCall()) view.showModels(models, wantedModel);
    if (models.length === 0 && !wantedModel) setTimeout(refreshModels, MODELS_RETRY_MS);
  } catch (error) {
    showFailure(error);
  }
}

function showFailure(error) {
  if (error.status !== 401) return view.showNotice(error.message);
  key.forget();
  view.showNotice(`${error.message} Press Call to enter another key.`);
}

function receive(event) {
  // A complaint belongs among what was said; without a transcript it is not worth opening one.
  if (event.type === "error" && !transcript.open) return view.showNotice(event.error?.message ?? null);
  transcript.receive(event);
}

function onCall() {
  return call !== null && call.state !== "ended";
}

async function startCall() {
  if (onCall()) return;
  const asked = !key.held;
  const held = await key.get();
  if (!held || onCall()) return;
  if (asked) await refreshModels();
  view.showNotice(null);
  transcript.clear();
  ribbon.clear();
  view.showClock(null);
  view.showSetUp(null);
  view.showQuality({ roundTrip: null, jitter: null, loss: null });
  call = new Call(held);
  call.addEventListener("statechange", followState);
  call.addEventListener("remotestream", hearWorker);
  call.addEventListener("message", ({ detail }) => receive(detail));
  view.showState(call.state);
  sound ??= new AudioContext();
  // Not awaited: without a loudspeaker it may never resolve, and the call does not need it.
  sound.resume();
  await call.start(view.modelSelect.value || wantedModel, { processing });
}

function followState() {
  view.showState(call.state);
  if (call.state === "connecting") return hearYou();
  if (call.state === "connected" && !timers.clock) return startClock();
  if (call.state === "ended") return finish();
}

function hearYou() {
  call.setMuted(muted);
  meters.you = new LevelMeter(sound, call.localStream);
  timers.listen = setInterval(listen, LISTEN_MS);
  requestAnimationFrame(draw);
}

function hearWorker() {
  view.speaker.srcObject = call.remoteStream;
  meters.worker = new LevelMeter(sound, call.remoteStream);
}

function listen() {
  const you = muted ? SILENCE_DB : meters.you.read();
  const worker = meters.worker?.read() ?? SILENCE_DB;
  if (worker > SILENCE_DB) call.timings.firstAudio ??= performance.now();
  ribbon.add(share(you), share(worker), performance.now());
  view.showLevel("you", you);
  view.showLevel("worker", worker);
}

function draw(now) {
  if (!onCall()) return;
  ribbon.draw(now);
  requestAnimationFrame(draw);
}

function startClock() {
  const { clicked, connected } = call.timings;
  const quality = new Quality(call.peer);
  const tick = async () => {
    view.showClock((performance.now() - connected) / 1000);
    const figures = await quality.read();
    if (onCall()) view.showQuality(figures);
  };
  view.showSetUp((connected - clicked) / 1000);
  timers.clock = setInterval(tick, QUALITY_MS);
}

function finish() {
  for (const timer of Object.values(timers)) clearInterval(timer);
  timers = {};
  for (const meter of Object.values(meters)) meter.close();
  meters = {};
  view.showLevel("you", SILENCE_DB);
  view.showLevel("worker", SILENCE_DB);
  view.speaker.srcObject = null;
  if (call.failure) showFailure(call.failure);
  else view.showNotice(call.endReason, "plain");
}

function setMuted(value) {
  muted = value;
  call?.setMuted(value);
  view.showMuted(value);
}

function hangUp() {
  call?.hangUp();
}

view.onDial(() => (onCall() ? hangUp() : startCall()));
view.onMute(() => setMuted(!muted));
view.modelSelect.addEventListener("change", view.showWorkerName);
addEventListener("pagehide", hangUp);
view.showState("idle");
refreshModels();

/**
 * For tests and for the console.
 *   state         "idle", "asking", "connecting", "connected", "interrupted" or "ended"
 *   call()        as the button; resolves when the answer is in or the call has ended
 *   hangUp()      as the button
 *   endReason     why the last call ended, as a sentence; null after hangUp() and before an end
 *   callId        rtc_…
 *   peer          the RTCPeerConnection; localStream, remoteStream: its MediaStreams; channel: its events' data channel
 *   timings       {clicked, posted, answered, connected, firstAudio}, ms on performance.now()'s clock, null until then
 */
window.offhook = Object.freeze({
  call: startCall,
  hangUp,
  get state() {
    return call?.state ?? "idle";
  },
  get endReason() {
    return call?.endReason ?? null;
  },
  get callId() {
    return call?.id ?? null;
  },
  get peer() {
    return call?.peer ?? null;
  },
  get channel() {
    return call?.channel ?? null;
  },
  get localStream() {
    return call?.localStream ?? null;
  },
  get remoteStream() {
    return call?.remoteStream ?? null;
  },
  get timings() {
    return call?.timings ?? null;
  },
});
