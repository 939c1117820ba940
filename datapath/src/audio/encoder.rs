//! From a model's samples to frames of a client's codec.

use std::borrow::Cow;

use opusic_c::{Application, Bandwidth, Bitrate, Channels, Encoder as OpusEncoder, InbandFec, SampleRate, Signal};

use super::{level_dbov, Codec, CodecError, Law, Rate, Resampler};

/// Room for a frame at the highest rate of Opus, 510 kbit/s, of 20 ms.
const LARGEST_FRAME_BYTES: usize = 1_275;

/// How one stream is coded. Everything but `rate` is about Opus alone.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Of the samples that come in.
    pub rate: Rate,
    /// In bit/s.
    pub bitrate: u32,
    /// 0 (cheap) to 10.
    pub complexity: u8,
    /// Whether each frame carries a coarse copy of the one before it. It is used once losses are reported.
    pub fec: bool,
    /// Whether silence is sent as hardly anything.
    pub dtx: bool,
    /// The highest sample rate that the client plays: higher bands are not coded.
    pub max_playback_hz: u32,
}

/// One stream.
pub struct Encoder {
    sink: Sink,
    loss_percent: u8,
}

enum Sink {
    Opus(OpusEncoder),
    G711(Law, Rate, Option<Box<Resampler>>),
    Pcm24(Rate, Option<Box<Resampler>>),
}

impl Encoder {
    /// A stream that begins.
    pub fn new(codec: Codec, settings: Settings) -> Result<Self, CodecError> {
        let sink = match codec {
            Codec::Opus => {
                Sink::Opus(opus(settings).map_err(|code| CodecError(format!("libopus: {}", code.message())))?)
            }
            Codec::G711(law) => Sink::G711(law, settings.rate, resampler(settings.rate, Rate::Hz8000)?),
            Codec::Pcm24 => Sink::Pcm24(settings.rate, resampler(settings.rate, Rate::Hz24000)?),
        };
        Ok(Self { sink, loss_percent: 0 })
    }

    /// Encodes one frame: 20 ms of samples, or another length that the codec has. With it comes its RFC 6464 level.
    ///
    /// `loss_percent` is what the client reports of late; `reset` forgets what came before.
    pub fn encode(&mut self, samples: &[i16], loss_percent: u8, reset: bool) -> Result<(Vec<u8>, u8), CodecError> {
        let failed = |code: opusic_c::ErrorCode| CodecError(format!("libopus: {}", code.message()));
        let payload = match &mut self.sink {
            Sink::Opus(encoder) => {
                if reset {
                    encoder.reset().map_err(failed)?;
                }
                if loss_percent != self.loss_percent {
                    encoder.set_packet_loss(loss_percent.min(100)).map_err(failed)?;
                    self.loss_percent = loss_percent;
                }
                let mut payload = Vec::with_capacity(LARGEST_FRAME_BYTES);
                #[allow(clippy::cast_sign_loss)] // the binding calls the bits of signed samples unsigned
                let bits: Vec<u16> = samples.iter().map(|&sample| sample as u16).collect();
                encoder.encode_to_vec(&bits, &mut payload).map_err(failed)?;
                payload
            }
            Sink::G711(law, rate, stream) => {
                if reset {
                    *stream = resampler(*rate, Rate::Hz8000)?;
                }
                law.compress(&resampled(stream.as_deref_mut(), samples))
            }
            Sink::Pcm24(rate, stream) => {
                if reset {
                    *stream = resampler(*rate, Rate::Hz24000)?;
                }
                let samples = resampled(stream.as_deref_mut(), samples);
                samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
            }
        };
        Ok((payload, level_dbov(samples)))
    }
}

fn resampler(from: Rate, to: Rate) -> Result<Option<Box<Resampler>>, CodecError> {
    (from != to).then(|| Resampler::new(from, to).map(Box::new)).transpose()
}

fn resampled<'a>(stream: Option<&mut Resampler>, samples: &'a [i16]) -> Cow<'a, [i16]> {
    match stream {
        None => Cow::Borrowed(samples),
        Some(stream) => {
            let mut output = Vec::new();
            stream.process(samples, &mut output);
            Cow::Owned(output)
        }
    }
}

fn opus(settings: Settings) -> Result<OpusEncoder, opusic_c::ErrorCode> {
    let rate = match settings.rate {
        Rate::Hz8000 => SampleRate::Hz8000,
        Rate::Hz16000 => SampleRate::Hz16000,
        Rate::Hz24000 => SampleRate::Hz24000,
        Rate::Hz48000 => SampleRate::Hz48000,
    };
    let mut encoder = OpusEncoder::new(Channels::Mono, rate, Application::Voip)?;
    encoder.set_signal(Signal::Voice)?;
    encoder.set_bitrate(Bitrate::Value(settings.bitrate))?;
    encoder.set_complexity(settings.complexity.min(10))?;
    encoder.set_inband_fec(if settings.fec { InbandFec::Mode1 } else { InbandFec::Off })?;
    encoder.set_dtx(settings.dtx)?;
    // RFC 7587 section 3.1.1: the bandwidth that a playback rate can use.
    encoder.set_max_bandwidth(match settings.max_playback_hz {
        0..=8_000 => Bandwidth::Narrow,
        8_001..=12_000 => Bandwidth::Medium,
        12_001..=16_000 => Bandwidth::Wide,
        16_001..=24_000 => Bandwidth::Superwide,
        _ => Bandwidth::Full,
    })?;
    Ok(encoder)
}
