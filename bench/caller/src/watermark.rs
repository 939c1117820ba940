//! Marks in speech that survive a codec: sweeps whose place in the sound is known, found again by correlation.
//!
//! ```text
//!  0 s   0.5      2.5      4.5      6.5      8 s
//!  |      /        \        //       \\      |      four kinds: up and down, low band and high
//!  speech, faded out around each mark
//! ```
//!
//! All four follow one another every two seconds, so a delay is told exactly as long as it is below eight.

use std::f64::consts::PI;

use crate::speech::RATE_HZ;

/// Length of the loop.
pub const LOOP_S: f64 = 8.0;
/// From one mark to the next.
pub const PERIOD_S: f64 = 2.0;
/// Where the first begins.
pub const FIRST_S: f64 = 0.5;
/// How many kinds there are.
pub const KINDS: usize = 4;
/// Length of a mark.
pub const LENGTH_S: f64 = 0.08;

const SWEEPS_HZ: [(f64, f64); KINDS] = [(500.0, 1_500.0), (1_500.0, 500.0), (1_500.0, 3_000.0), (3_000.0, 1_500.0)];
const AMPLITUDE: f64 = 0.4;
/// Speech is silent so long before and after a mark, and takes as long to fade.
const MARGIN_S: f64 = 0.06;

/// A mark of this kind at a sample rate, with amplitude 1.
#[must_use]
pub fn mark(kind: usize, rate_hz: usize) -> Vec<f32> {
    let (from_hz, to_hz) = SWEEPS_HZ[kind];
    let rate_hz = rate_hz as f64;
    let count = (LENGTH_S * rate_hz) as usize;
    (0..count)
        .map(|index| {
            let time_s = index as f64 / rate_hz;
            let phase = 2.0 * PI * (from_hz * time_s + (to_hz - from_hz) * time_s * time_s / (2.0 * LENGTH_S));
            let window = (PI * index as f64 / count as f64).sin().powi(2);
            (phase.sin() * window) as f32
        })
        .collect()
}

/// One loop of speech with its marks.
#[must_use]
pub fn marked(speech: &[f32]) -> Vec<f32> {
    let samples = (LOOP_S * RATE_HZ as f64) as usize;
    let mut mixed: Vec<f32> = speech.iter().copied().chain(std::iter::repeat(0.0)).take(samples).collect();
    for kind in 0..KINDS {
        let begin_s = FIRST_S + PERIOD_S * kind as f64;
        for (index, sample) in mixed.iter_mut().enumerate() {
            let time_s = index as f64 / RATE_HZ as f64;
            let distance_s = (begin_s - time_s).max(time_s - begin_s - LENGTH_S).max(0.0);
            let fade = ((distance_s - MARGIN_S) / MARGIN_S).clamp(0.0, 1.0);
            *sample *= fade as f32;
        }
        let begin = (begin_s * RATE_HZ as f64) as usize;
        for (sample, sweep) in mixed[begin..].iter_mut().zip(mark(kind, RATE_HZ)) {
            *sample += sweep * AMPLITUDE as f32;
        }
    }
    mixed
}
