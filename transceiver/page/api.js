// The transceiver's HTTP API, as the page uses it. Every failure is an ApiError whose message a person can read.

const UNREACHABLE = "The transceiver does not answer. Is it running, and is this machine on its network?";

export class ApiError extends Error {
  /** @param {number} status the HTTP status, 0 when there was no answer at all */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function request(key, path, options = {}) {
  const headers = { Authorization: `Bearer ${key}`, ...options.headers };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(UNREACHABLE, 0);
  }
  if (!response.ok) throw new ApiError(await readProblem(response), response.status);
  return response;
}

/** The text of OpenAI's error body, `{"error": {"message": …}}`; a plain sentence when a proxy answered something else. */
async function readProblem(response) {
  const text = await response.text();
  try {
    const message = JSON.parse(text).error.message;
    if (message) return message;
  } catch {
    // Not our error body: the status is all there is to say.
  }
  return `The transceiver refused the request (HTTP ${response.status}).`;
}

/** @returns {Promise<string[]>} the ids of the models that can be called now */
export async function listModels(key) {
  const response = await request(key, "/v1/models");
  return (await response.json()).data.map((model) => model.id);
}

/** Posts an SDP offer. @returns {Promise<{answer: string, id: string}>} */
export async function placeCall(key, model, offer, signal) {
  const query = model ? `?model=${encodeURIComponent(model)}` : "";
  const response = await request(key, `/v1/realtime/calls${query}`, {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: offer,
    signal,
  });
  const id = (response.headers.get("Location") ?? "").split("/").pop();
  return { answer: await response.text(), id };
}

/** Ends a call. The request outlives the page, so that closing the tab hangs up too. */
export async function hangUpCall(key, id) {
  await request(key, `/v1/realtime/calls/${encodeURIComponent(id)}/hangup`, { method: "POST", keepalive: true });
}
