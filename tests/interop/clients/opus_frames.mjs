// Speech for clients that have no codec: Opus frames out of a file, into RTP packets.

import { pause, testData } from "./script.mjs";

const FRAME_MS = 20;
const SAMPLES_PER_FRAME = 960;
const AFTERWARDS_MS = 1000; // for what is still on its way when the last frame is sent

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

/**
 * Sends the speech, one frame every 20 ms. @param send called with (payload, sequence number, RTP timestamp)
 * @param received the payloads that come back, filled by the caller
 */
export async function speakFrames(send, received) {
  const frames = readOggPackets(testData("speech.opus"));
  const started = performance.now();
  for (const [index, payload] of frames.entries()) {
    send(payload, index, index * SAMPLES_PER_FRAME);
    // Against the clock, not after a fixed pause: timers come late, and lateness must not add up.
    await pause(Math.max(0, started + (index + 1) * FRAME_MS - performance.now()));
  }
  await pause(AFTERWARDS_MS);
  const encode = (payloads) => payloads.map((payload) => Buffer.from(payload).toString("base64"));
  return { form: "frames", sent: encode(frames), received: encode(received) };
}
