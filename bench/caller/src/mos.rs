//! Speech quality estimated from delay and loss by the E-model (ITU-T G.107), for want of anybody who listens.

/// R of a connection without impairments (G.107 table 3, all parameters at their defaults).
const R0: f64 = 93.2;
/// Packet-loss robustness: no value for Opus is standardised, so that of G.729A (G.113 table I.5), whose frames are concealed
/// likewise from parameters.
const ROBUSTNESS: f64 = 19.0;

/// Mean opinion score, 1 to 4.5, of a mouth-to-ear delay in milliseconds and a share of concealed audio.
///
/// Delay: R falls by `0.024 d`, and by `0.11 (d - 177.3)` beyond 177.3 ms, the usual approximation of G.107 section 7.4
/// (Cole and Rosenbluth, 2001). Loss: equation 7-29 with a codec that does not impair by itself.
#[must_use]
pub fn mos(delay_ms: f64, concealed_share: f64) -> f64 {
    let by_delay = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
    let percent = concealed_share * 100.0;
    let by_loss = 95.0 * percent / (percent + ROBUSTNESS);
    let r = (R0 - by_delay - by_loss).clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}
