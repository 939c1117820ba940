// Round trip, jitter and loss of a call, from getStats.

const WINDOW_MS = 10_000;

function roundTrip(reports) {
  // By RTCP: every second or so and in microseconds. Until its first report, by ICE: every few seconds, in milliseconds.
  const reported = reports.find((report) => report.type === "remote-inbound-rtp")?.roundTripTime;
  if (reported !== undefined) return reported;
  const pairs = reports.filter((report) => report.type === "candidate-pair" && report.state === "succeeded");
  const pair = pairs.find((report) => report.nominated) ?? pairs[0];
  return pair?.currentRoundTripTime ?? null;
}

export class Quality {
  #peer;
  #history = [];

  /** @param {RTCPeerConnection} peer */
  constructor(peer) {
    this.#peer = peer;
  }

  /**
   * Seconds, seconds, and the share of the worker's packets lost over the last ten seconds; null where unknown.
   * @returns {Promise<{roundTrip: number|null, jitter: number|null, loss: number|null}>}
   */
  async read() {
    const reports = [...(await this.#peer.getStats()).values()];
    const inbound = reports.find((report) => report.type === "inbound-rtp" && report.kind === "audio");
    return {
      roundTrip: roundTrip(reports),
      jitter: inbound?.packetsReceived ? inbound.jitter : null,
      loss: inbound?.packetsReceived ? this.#lossOf(inbound) : null,
    };
  }

  #lossOf({ timestamp, packetsReceived, packetsLost }) {
    this.#history.push({ timestamp, packetsReceived, packetsLost });
    while (this.#history[0].timestamp < timestamp - WINDOW_MS) this.#history.shift();
    const first = this.#history.length > 1 ? this.#history[0] : { packetsReceived: 0, packetsLost: 0 };
    const lost = Math.max(0, packetsLost - first.packetsLost);
    const expected = packetsReceived - first.packetsReceived + lost;
    return expected > 0 ? lost / expected : null;
  }
}
