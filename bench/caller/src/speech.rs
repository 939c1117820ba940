//! What callers say: recorded speech, encoded with Opus when the run begins.

use opusic_c::{Application, Bitrate, Channels, Encoder, ErrorCode, SampleRate, Signal};

use crate::watermark;

/// 7.1 s of read speech, 16 kHz, mono, 16 bit: a copy of `tests/data/speech.wav`, which says where it comes from.
const WAV: &[u8] = include_bytes!("speech.wav");
const WAV_HEADER_BYTES: usize = 44;
/// Of the recording, and of all samples here.
pub const RATE_HZ: usize = 16_000;
/// Samples of one packet.
const FRAME: usize = RATE_HZ / 50;
/// What browsers choose for one channel of speech.
const BITRATE: u32 = 32_000;
const COMPLEXITY: u8 = 5;
/// After so many frames of silence the encoder has forgotten the speech before it.
const UNTIL_SILENT: usize = 50;
const LARGEST_PACKET_BYTES: usize = 1_275;
const LEAST_LEVEL_DBOV: i8 = -127;

/// An Opus packet of 20 ms, and how loud it is (RFC 6464).
#[derive(Debug, Clone)]
pub struct Frame {
    /// Code 0: one frame.
    pub packet: Vec<u8>,
    /// 0 to -127 dBov.
    pub level_dbov: i8,
}

/// What a caller says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// Packets that are no speech.
    Filler,
    /// Speech with marks in it, over and over.
    Marked,
    /// The sentence, from the packet of this number on, and then silence.
    Sentence(u32),
    /// Silence.
    Silence,
}

/// See the module.
pub struct Speech {
    /// The recording with watermarks in it, to be said over and over.
    pub marked: Vec<Frame>,
    /// The recording as it is: one turn of a conversation.
    pub sentence: Vec<Frame>,
    /// Silence.
    pub silence: Frame,
}

impl Speech {
    /// Encodes it.
    ///
    /// # Errors
    /// libopus', which means that it was built wrongly.
    pub fn encode() -> Result<Self, ErrorCode> {
        let recording: Vec<f32> = WAV[WAV_HEADER_BYTES..]
            .chunks_exact(2)
            .map(|bytes| f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32_768.0)
            .collect();
        let marked = watermark::marked(&recording);
        // Twice, so that the loop's beginning is what follows its end.
        let mut twice = encoded(&[marked.as_slice(), marked.as_slice()].concat())?;
        let loop_frames = twice.len() / 2;
        let mut quiet = recording;
        let said = quiet.len().div_ceil(FRAME);
        quiet.resize((said + UNTIL_SILENT) * FRAME, 0.0);
        let mut sentence = encoded(&quiet)?;
        let silence = sentence.pop().expect("there are many");
        sentence.truncate(said);
        Ok(Self { marked: twice.split_off(loop_frames), sentence, silence })
    }

    /// What the packet of this number holds; None if it is to be a filler.
    #[must_use]
    pub fn frame(&self, says: Says, number: u32) -> Option<&Frame> {
        match says {
            Says::Filler => None,
            Says::Marked => self.marked.get(number as usize % self.marked.len()),
            Says::Sentence(first) => {
                Some(self.sentence.get(number.wrapping_sub(first) as usize).unwrap_or(&self.silence))
            }
            Says::Silence => Some(&self.silence),
        }
    }
}

fn encoded(samples: &[f32]) -> Result<Vec<Frame>, ErrorCode> {
    let mut encoder = Encoder::new(Channels::Mono, SampleRate::Hz16000, Application::Voip)?;
    encoder.set_signal(Signal::Voice)?;
    encoder.set_bitrate(Bitrate::Value(BITRATE))?;
    encoder.set_complexity(COMPLEXITY)?;
    let frame = |samples: &[f32]| {
        let mut packet = Vec::with_capacity(LARGEST_PACKET_BYTES);
        encoder.encode_float_to_vec(samples, &mut packet)?;
        Ok(Frame { packet, level_dbov: level_dbov(samples) })
    };
    samples.chunks_exact(FRAME).map(frame).collect()
}

fn level_dbov(samples: &[f32]) -> i8 {
    let power = samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32;
    (10.0 * power.max(f32::MIN_POSITIVE).log10()).round().clamp(f32::from(LEAST_LEVEL_DBOV), 0.0) as i8
}
