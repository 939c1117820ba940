//! Concealment for G.711, which has none of its own: the last pitch period goes on and fades, in the manner of
//! [ITU-T G.711 appendix I](https://www.itu.int/rec/T-REC-G.711). Opus conceals by itself.

/// 200 Hz and 66 Hz at 8 kHz: the range of pitch.
const LAGS: std::ops::Range<usize> = 40..121;
/// What is compared to find the pitch: 20 ms.
const COMPARED: usize = 160;
const HISTORY: usize = COMPARED + 120;
/// 10 ms at full loudness, then down to nothing at 60 ms.
const FADE_FROM: usize = 80;
const FADE_TO: usize = 480;
/// 4 ms of both where real sound takes over again.
const CROSS_FADE: usize = 32;

/// One stream's recent past at 8 kHz.
pub struct Concealment {
    history: Vec<i16>,
    lag: usize,
    concealed: usize,
}

impl Concealment {
    pub fn new() -> Self {
        Self { history: vec![0; HISTORY], lag: LAGS.start, concealed: 0 }
    }

    /// Real sound has come: after a loss its beginning is blended with what stood in for it.
    pub fn heard(&mut self, samples: &mut [i16]) {
        if self.concealed > 0 {
            let blended = CROSS_FADE.min(samples.len());
            let stand_in: Vec<i16> = (0..blended).map(|_| self.next()).collect();
            for (index, (sample, other)) in samples.iter_mut().zip(stand_in).enumerate() {
                let weight = scale(index, CROSS_FADE);
                *sample = mix(*sample, weight) + mix(other, 1.0 - weight);
            }
            // What was synthesised for the blend is no history.
            self.history.truncate(self.history.len() - blended);
            self.concealed = 0;
        }
        self.history.extend_from_slice(samples);
        let surplus = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..surplus);
    }

    /// Appends `count` samples in place of lost ones.
    pub fn lost(&mut self, count: usize, output: &mut Vec<i16>) {
        if self.concealed == 0 {
            self.lag = self.pitch_lag();
        }
        output.extend((0..count).map(|_| self.next()));
        let surplus = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..surplus);
    }

    fn next(&mut self) -> i16 {
        let sample = self.history[self.history.len() - self.lag];
        self.history.push(sample);
        let faded = self.concealed.saturating_sub(FADE_FROM);
        self.concealed += 1;
        mix(sample, 1.0 - scale(faded, FADE_TO - FADE_FROM))
    }

    /// The distance at which the end of the past resembles itself most.
    fn pitch_lag(&self) -> usize {
        let recent = &self.history[self.history.len() - COMPARED..];
        let resemblance = |lag: usize| {
            let start = self.history.len() - COMPARED - lag;
            let earlier = &self.history[start..start + COMPARED];
            let product: f32 = recent.iter().zip(earlier).map(|(&a, &b)| f32::from(a) * f32::from(b)).sum();
            let energy: f32 = earlier.iter().map(|&b| f32::from(b) * f32::from(b)).sum();
            product / energy.max(1.0).sqrt()
        };
        LAGS.max_by(|&a, &b| resemblance(a).total_cmp(&resemblance(b))).unwrap_or(LAGS.start)
    }
}

/// How far `index` is on the way to `end`, 0 to 1.
#[allow(clippy::cast_precision_loss)] // a few hundred samples
fn scale(index: usize, end: usize) -> f32 {
    (index as f32 / end as f32).min(1.0)
}

#[allow(clippy::cast_possible_truncation)] // a share of a sample is no larger than the sample
fn mix(sample: i16, weight: f32) -> i16 {
    (f32::from(sample) * weight) as i16
}

#[cfg(test)]
mod tests {
    use super::Concealment;

    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // a test tone
    fn tone(from: usize, count: usize) -> Vec<i16> {
        (from..from + count).map(|n| ((n as f32 * std::f32::consts::TAU / 50.0).sin() * 8_000.0) as i16).collect()
    }

    #[test]
    fn a_tone_goes_on_over_a_lost_frame() {
        let mut concealment = Concealment::new();
        for frame in 0..4 {
            concealment.heard(&mut tone(frame * 160, 160));
        }
        let mut stand_in = Vec::new();
        concealment.lost(160, &mut stand_in);
        for (index, (got, wanted)) in stand_in[..80].iter().zip(tone(640, 80)).enumerate() {
            assert!((i32::from(*got) - i32::from(wanted)).abs() < 400, "{index}: {got} for {wanted}");
        }
    }

    #[test]
    fn it_fades_to_silence_and_gives_way_to_real_sound() {
        let mut concealment = Concealment::new();
        concealment.heard(&mut tone(0, 480));
        let mut stand_in = Vec::new();
        concealment.lost(640, &mut stand_in);
        assert_eq!(stand_in[480..], [0; 160]);
        let mut real = tone(0, 160);
        concealment.heard(&mut real);
        assert_eq!(real[32..], tone(0, 160)[32..]);
    }
}
