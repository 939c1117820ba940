//! From one rate to another, band-limited, by rubato's windowed sinc.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction,
};

use super::{CodecError, Rate};

/// What is resampled at once: a divisor of every frame of Opus.
const CHUNK_US: u32 = 2_500;
/// Of the filter, at the lower of the two rates.
const SINC_TAPS: usize = 64;
/// A multiple of every denominator among the ratios of our rates, so that the nearest filter phase is the exact one.
const PHASES: usize = 48;

/// A stream at one rate to a stream at another. What goes in comes out a few
/// milliseconds later: half the filter and one chunk.
pub struct Resampler {
    inner: Async<f32>,
    from: Rate,
    to: Rate,
    chunk: usize,
    pending: Vec<f32>,
    ready: Vec<f32>,
    produced: Vec<f32>,
}

impl Resampler {
    /// A stream that begins with silence.
    pub fn new(from: Rate, to: Rate) -> Result<Self, CodecError> {
        let chunk = from.samples(CHUNK_US);
        let ratio = f64::from(to.hz()) / f64::from(from.hz());
        let parameters = SincInterpolationParameters {
            sinc_len: SINC_TAPS * (from.hz() / to.hz()).max(1) as usize,
            f_cutoff: None,
            interpolation: SincInterpolationType::Nearest,
            oversampling_factor: PHASES,
            window: WindowFunction::BlackmanHarris2,
        };
        let inner = Async::new_sinc(ratio, 1.0, &parameters, chunk, 1, FixedAsync::Input)
            .map_err(|error| CodecError(error.to_string()))?;
        let produced = vec![0.0; inner.output_frames_max()];
        // Silence ahead: what does not fill a chunk waits, and a chunk may yield a sample less than its share.
        let ready = vec![0.0; to.samples(CHUNK_US) + 2];
        Ok(Self { inner, from, to, chunk, pending: Vec::new(), ready, produced })
    }

    /// Takes samples and appends as many as last as long, to the sample.
    pub fn process(&mut self, samples: &[i16], output: &mut Vec<i16>) {
        self.pending.extend(samples.iter().map(|&sample| f32::from(sample)));
        let mut taken = 0;
        while self.pending.len() - taken >= self.chunk {
            let chunk = &self.pending[taken..taken + self.chunk];
            let produced = Self::resample(&mut self.inner, chunk, &mut self.produced);
            self.ready.extend_from_slice(&self.produced[..produced]);
            taken += self.chunk;
        }
        self.pending.drain(..taken);
        let wanted = (samples.len() * self.to.hz() as usize / self.from.hz() as usize).min(self.ready.len());
        #[allow(clippy::cast_possible_truncation)] // `as` clips to the range of the target
        output.extend(self.ready.drain(..wanted).map(|sample| sample.round() as i16));
    }

    fn resample(inner: &mut Async<f32>, chunk: &[f32], produced: &mut [f32]) -> usize {
        let capacity = produced.len();
        let input = InterleavedSlice::new(chunk, 1, chunk.len());
        let output = InterleavedSlice::new_mut(produced, 1, capacity);
        match (input, output) {
            (Ok(input), Ok(mut output)) => {
                inner.process_into_buffer(&input, &mut output, None::<&Indexing>).map_or(0, |(_, written)| written)
            }
            _ => 0,
        }
    }
}
