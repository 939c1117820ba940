//! From a client's frames to samples at every rate that somebody listens at.

use opusic_c::{Channels, Decoder as OpusDecoder, SampleRate};

use super::concealment::Concealment;
use super::{level_dbov, Codec, CodecError, Law, Rate, Resampler, SILENCE_DBOV};

/// The longest packet of Opus (RFC 6716 section 2.1.4).
const LONGEST_US: u32 = 120_000;
/// Opus conceals in steps of this.
const STEP_US: u32 = 2_500;

/// What one stretch of a stream is made from.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// The payload of one RTP packet.
    Frame(&'a [u8]),
    /// Nothing has come. `next` is the payload that follows, if known: Opus may carry the end of what is missing in it
    /// (in-band FEC, RFC 6716 section 2.1.7).
    Lost {
        /// The payload that follows; empty if it is not known.
        next: &'a [u8],
    },
    /// The client was silent and sent nothing, or nobody can say what it said.
    Silence,
}

/// What a piece has become.
#[derive(Debug)]
pub struct Decoded {
    /// RFC 6464.
    pub level_dbov: u8,
    /// The payload was no frame of the codec, and is concealed.
    pub corrupt: bool,
    /// The samples at each of the rates asked for, in that order.
    pub samples: Vec<Vec<i16>>,
}

/// One stream.
pub struct Decoder {
    base: Rate,
    source: Source,
    resamplers: [Option<Resampler>; Rate::ALL.len()],
}

enum Source {
    Opus(OpusDecoder),
    G711(Law, Concealment),
    Pcm,
}

impl Decoded {
    /// What becomes of a piece that cannot be decoded at all.
    #[must_use]
    pub fn silence(duration_us: u32, rates: &[Rate]) -> Self {
        let samples = rates.iter().map(|rate| vec![0; rate.samples(duration_us)]).collect();
        Self { level_dbov: SILENCE_DBOV, corrupt: true, samples }
    }
}

impl Decoder {
    /// A stream that begins.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        // Of Opus the cheapest; `decode` moves up to what is asked for.
        let (base, source) = match codec {
            Codec::Opus => (Rate::Hz8000, Source::Opus(opus(Rate::Hz8000)?)),
            Codec::G711(law) => (Rate::Hz8000, Source::G711(law, Concealment::new())),
            Codec::Pcm24 => (Rate::Hz24000, Source::Pcm),
        };
        Ok(Self { base, source, resamplers: Default::default() })
    }

    /// Decodes one piece, once, and gives it at every rate in `rates`: exactly as many samples as last `duration_us`.
    ///
    /// `duration_us` is 2,500 to 120,000. With no rates nothing is decoded.
    pub fn decode(&mut self, piece: Piece<'_>, duration_us: u32, rates: &[Rate]) -> Result<Decoded, CodecError> {
        let Some(&highest) = rates.iter().max() else {
            return Ok(Decoded { level_dbov: SILENCE_DBOV, corrupt: false, samples: Vec::new() });
        };
        let duration_us = duration_us.min(LONGEST_US);
        self.raise(highest)?;
        let (mut base, corrupt) = self.decode_base(piece, duration_us);
        base.resize(self.base.samples(duration_us), 0);
        let samples = rates.iter().map(|&rate| self.at(rate, &base, duration_us)).collect::<Result<_, _>>()?;
        Ok(Decoded { level_dbov: level_dbov(&base), corrupt, samples })
    }

    /// Opus decodes at any rate, so the highest one asked for needs no resampling.
    fn raise(&mut self, highest: Rate) -> Result<(), CodecError> {
        if let Source::Opus(decoder) = &mut self.source {
            if highest > self.base {
                *decoder = opus(highest)?;
                self.base = highest;
                self.resamplers = Default::default();
            }
        }
        Ok(())
    }

    fn decode_base(&mut self, piece: Piece<'_>, duration_us: u32) -> (Vec<i16>, bool) {
        let count = self.base.samples(duration_us);
        let longest = self.base.samples(LONGEST_US);
        match (&mut self.source, piece) {
            (Source::Opus(decoder), Piece::Frame(payload)) => match run(decoder, payload, longest, false) {
                Some(samples) if !payload.is_empty() => (samples, false),
                _ => (conceal(decoder, &[], self.base, duration_us), true),
            },
            (Source::Opus(decoder), Piece::Lost { next }) => (conceal(decoder, next, self.base, duration_us), false),
            (Source::G711(law, concealment), Piece::Frame(payload)) => {
                let mut samples = Vec::with_capacity(payload.len());
                law.expand(payload, &mut samples);
                samples.truncate(longest);
                concealment.heard(&mut samples);
                (samples, false)
            }
            (Source::G711(_, concealment), Piece::Lost { .. }) => {
                let mut samples = Vec::with_capacity(count);
                concealment.lost(count, &mut samples);
                (samples, false)
            }
            (Source::Pcm, Piece::Frame(payload)) => {
                (payload.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect(), false)
            }
            // Samples come over a reliable stream: none is ever lost.
            (Source::Pcm, Piece::Lost { .. }) | (_, Piece::Silence) => (vec![0; count], false),
        }
    }

    fn at(&mut self, rate: Rate, base: &[i16], duration_us: u32) -> Result<Vec<i16>, CodecError> {
        if rate == self.base {
            return Ok(base.to_vec());
        }
        let resampler = &mut self.resamplers[rate as usize];
        let resampler = match resampler {
            Some(resampler) => resampler,
            None => resampler.insert(Resampler::new(self.base, rate)?),
        };
        let mut samples = Vec::with_capacity(rate.samples(duration_us));
        resampler.process(base, &mut samples);
        samples.resize(rate.samples(duration_us), 0);
        Ok(samples)
    }
}

fn opus(rate: Rate) -> Result<OpusDecoder, CodecError> {
    let rate = match rate {
        Rate::Hz8000 => SampleRate::Hz8000,
        Rate::Hz16000 => SampleRate::Hz16000,
        Rate::Hz24000 => SampleRate::Hz24000,
        Rate::Hz48000 => SampleRate::Hz48000,
    };
    // Mono: libopus mixes down what comes in stereo.
    OpusDecoder::new(Channels::Mono, rate).map_err(|code| CodecError(code.message().into()))
}

/// libopus takes the lost frame's redundant copy out of `next` where there is one, and conceals the rest.
fn conceal(decoder: &mut OpusDecoder, next: &[u8], rate: Rate, duration_us: u32) -> Vec<i16> {
    let steps = duration_us.div_ceil(STEP_US);
    run(decoder, next, rate.samples(steps * STEP_US), true).unwrap_or_default()
}

fn run(decoder: &mut OpusDecoder, payload: &[u8], count: usize, fec: bool) -> Option<Vec<i16>> {
    let mut samples = Vec::new();
    decoder.decode_to_vec(payload, &mut samples, count, fec).ok()?;
    #[allow(clippy::cast_possible_wrap)] // the binding calls the bits of libopus' signed samples unsigned
    Some(samples.into_iter().map(|sample| sample as i16).collect())
}
