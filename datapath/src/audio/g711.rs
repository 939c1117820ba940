//! G.711 by table: [ITU-T G.711](https://www.itu.int/rec/T-REC-G.711), RFC 3551 section 4.5.14.

use std::sync::LazyLock;

/// The companding law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// PCMU.
    Mu,
    /// PCMA.
    A,
}

static MU: LazyLock<Tables> = LazyLock::new(|| Tables::new(expand_mu));
static A: LazyLock<Tables> = LazyLock::new(|| Tables::new(expand_a));

/// Samples are compressed by their top 14 bits: more than either law can tell apart.
const COMPRESS_SHIFT: u32 = 2;

struct Tables {
    expand: [i16; 256],
    compress: Vec<u8>,
}

impl Tables {
    /// Compression is what inverts expansion best: the code whose value lies nearest.
    fn new(expand: fn(u8) -> i16) -> Self {
        let mut codes: Vec<u8> = (0..=255).collect();
        codes.sort_by_key(|&code| expand(code));
        let mut nearest = 0;
        let compress = (i16::MIN >> COMPRESS_SHIFT..=i16::MAX >> COMPRESS_SHIFT)
            .map(|top| {
                let sample = (i32::from(top) << COMPRESS_SHIFT) + (1 << (COMPRESS_SHIFT - 1));
                let distance = |code: u8| (i32::from(expand(code)) - sample).abs();
                while nearest + 1 < codes.len() && distance(codes[nearest + 1]) <= distance(codes[nearest]) {
                    nearest += 1;
                }
                codes[nearest]
            })
            .collect();
        Self { expand: std::array::from_fn(|code| expand(u8::try_from(code).expect("256 codes"))), compress }
    }
}

fn expand_mu(code: u8) -> i16 {
    let code = !code;
    let magnitude = ((i16::from(code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4);
    if code & 0x80 != 0 {
        0x84 - magnitude
    } else {
        magnitude - 0x84
    }
}

fn expand_a(code: u8) -> i16 {
    let code = code ^ 0x55;
    let mantissa = (i16::from(code & 0x0F) << 4) + 8;
    let magnitude = match (code & 0x70) >> 4 {
        0 => mantissa,
        segment => (mantissa + 0x100) << (segment - 1),
    };
    if code & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    }
}

impl Law {
    fn tables(self) -> &'static Tables {
        match self {
            Self::Mu => &MU,
            Self::A => &A,
        }
    }

    /// Appends the sample of each byte.
    pub fn expand(self, payload: &[u8], samples: &mut Vec<i16>) {
        let table = &self.tables().expand;
        samples.extend(payload.iter().map(|&code| table[usize::from(code)]));
    }

    /// The byte of each sample.
    #[must_use]
    #[allow(clippy::cast_sign_loss)] // an index is made of the bits
    pub fn compress(self, samples: &[i16]) -> Vec<u8> {
        let table = &self.tables().compress;
        // The sign bit flipped: from the least sample, which is index 0, upwards.
        samples.iter().map(|&sample| table[usize::from((sample as u16 ^ 0x8000) >> COMPRESS_SHIFT)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Law;

    fn expand(law: Law, payload: &[u8]) -> Vec<i16> {
        let mut samples = Vec::new();
        law.expand(payload, &mut samples);
        samples
    }

    /// Corner values of the tables in ITU-T G.711, in 16 bit.
    #[test]
    fn codes_have_the_values_of_the_standard() {
        assert_eq!(expand(Law::Mu, &[0x00, 0x80, 0xFF, 0x7F, 0xF0]), [-32_124, 32_124, 0, 0, 120]);
        assert_eq!(expand(Law::A, &[0x2A, 0xAA, 0xD5, 0x55]), [-32_256, 32_256, 8, -8]);
    }

    #[test]
    fn compressing_what_was_expanded_gives_it_back() {
        for law in [Law::Mu, Law::A] {
            for code in 0..=255_u8 {
                let samples = expand(law, &[code]);
                assert_eq!(expand(law, &law.compress(&samples)), samples, "{law:?} {code:#04x}");
            }
        }
    }
}
