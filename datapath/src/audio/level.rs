//! Loudness as RFC 6464 tells it.

/// Digital silence.
pub const SILENCE_DBOV: u8 = 127;

/// The level of samples in -dBov, 0 (loudest) to 127 (silence): RFC 6464 section 3, appendix A of RFC 6465.
#[must_use]
pub fn level_dbov(samples: &[i16]) -> u8 {
    if samples.is_empty() {
        return SILENCE_DBOV;
    }
    let energy: f64 = samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    #[allow(clippy::cast_precision_loss)] // a frame has a few thousand samples
    let mean = energy / samples.len() as f64;
    if mean <= 0.0 {
        return SILENCE_DBOV;
    }
    let overload = 32_768.0_f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to what fits
    {
        (-10.0 * (mean / (overload * overload)).log10()).round().clamp(0.0, f64::from(SILENCE_DBOV)) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::level_dbov;

    #[test]
    fn a_full_square_wave_is_the_loudest() {
        assert_eq!(level_dbov(&[-32_768; 160]), 0);
        assert_eq!(level_dbov(&[0; 160]), 127);
        assert_eq!(level_dbov(&[]), 127);
    }

    #[test]
    fn half_the_amplitude_is_six_decibels_less() {
        assert_eq!(level_dbov(&[16_384; 160]), 6);
        assert_eq!(level_dbov(&[1; 160]), 90);
    }
}
