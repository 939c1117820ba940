// Writes to the document. Nothing here knows WebRTC or HTTP.

import { SILENCE_DB, share } from "./levels.js";

const STATES = {
  idle: "Ready",
  asking: "Waiting for the microphone",
  connecting: "Connecting",
  connected: "On the call",
  interrupted: "Connection interrupted",
  ended: "Call ended",
};

const element = (id) => document.getElementById(id);

function milliseconds(seconds) {
  if (seconds === null) return "–";
  const value = seconds * 1000;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

export const speaker = element("speaker");
export const ribbonCanvas = element("ribbon");
export const keyDialog = element("key-dialog");
export const transcriptSection = element("transcript");
export const transcriptList = element("turns");
export const modelSelect = element("model");

export function onDial(action) {
  element("dial").addEventListener("click", action);
}

export function onMute(action) {
  element("mute").addEventListener("click", action);
}

/** @param {"idle"|"asking"|"connecting"|"connected"|"interrupted"|"ended"} state */
export function showState(state) {
  const live = !["idle", "ended"].includes(state);
  document.body.dataset.state = state;
  element("status").textContent = STATES[state];
  element("dial-label").textContent = live ? "Hang up" : "Call";
  modelSelect.disabled = live || !modelSelect.value;
}

export function showMuted(muted) {
  element("mute").setAttribute("aria-pressed", String(muted));
  element("mute-label").textContent = muted ? "Muted" : "Mute";
  element("you-name").textContent = muted ? "You, muted" : "You";
}

/** @param {string|null} text null hides the notice @param {"problem"|"plain"} tone */
export function showNotice(text, tone = "problem") {
  const notice = element("notice");
  notice.hidden = !text;
  notice.className = `notice notice-${tone}`;
  notice.textContent = text ?? "";
}

/** Fills the model list; keeps the choice, or takes `wanted` even if the list lacks it: the answer will say why. */
export function showModels(models, wanted) {
  const chosen = modelSelect.value || wanted || models[0] || "";
  const names = chosen && !models.includes(chosen) ? [chosen, ...models] : models;
  modelSelect.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
  if (names.length === 0) modelSelect.replaceChildren(new Option("no worker yet", ""));
  modelSelect.disabled = names.length === 0;
  showWorkerName();
}

export function showWorkerName() {
  element("worker-name").textContent = modelSelect.value || "Worker";
}

/** @param {number|null} seconds null: no call was up yet */
export function showClock(seconds) {
  if (seconds === null) return (element("clock").textContent = "");
  const whole = Math.floor(seconds);
  element("clock").textContent = `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export function showSetUp(seconds) {
  element("set-up").textContent = milliseconds(seconds);
}

/** Takes what Quality.read() returns. */
export function showQuality({ roundTrip, jitter, loss }) {
  element("round-trip").textContent = milliseconds(roundTrip);
  element("jitter").textContent = milliseconds(jitter);
  element("loss").textContent = loss === null ? "–" : `${(loss * 100).toFixed(1)} %`;
}

/** @param {"you"|"worker"} who @param {number} db dBFS, from SILENCE_DB to 0 */
export function showLevel(who, db) {
  const meter = element(`${who}-level`);
  meter.firstElementChild.style.transform = `scaleX(${share(db).toFixed(3)})`;
  meter.setAttribute("aria-valuenow", String(Math.round(db)));
  meter.setAttribute("aria-valuetext", db <= SILENCE_DB ? "silent" : `${Math.round(db)} decibels`);
}
