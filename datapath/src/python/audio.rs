//! `AudioDecoder`, `AudioEncoder`, and the calls that run many of them without the interpreter's lock.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::audio::{Codec, CodecError, Decoded, Decoder, Encoder, Piece, Rate, Settings};

impl From<CodecError> for PyErr {
    fn from(error: CodecError) -> PyErr {
        PyValueError::new_err(error.to_string())
    }
}

fn codec(name: &str) -> PyResult<Codec> {
    Codec::from_name(name).ok_or_else(|| PyValueError::new_err(format!("no such codec: {name}")))
}

fn rate(hz: u32) -> PyResult<Rate> {
    Rate::from_hz(hz).ok_or_else(|| PyValueError::new_err(format!("no such sample rate: {hz}")))
}

/// One stream of a client's; see the stub.
#[pyclass(frozen, module = "offhook_datapath")]
pub struct AudioDecoder {
    inner: Arc<Mutex<Decoder>>,
}

#[pymethods]
impl AudioDecoder {
    #[new]
    fn new(codec: &str) -> PyResult<Self> {
        Ok(Self { inner: Arc::new(Mutex::new(Decoder::new(self::codec(codec)?)?)) })
    }
}

/// One stream to a client; see the stub.
#[pyclass(frozen, module = "offhook_datapath")]
pub struct AudioEncoder {
    inner: Arc<Mutex<Encoder>>,
}

#[pymethods]
impl AudioEncoder {
    #[new]
    #[pyo3(signature = (codec, sample_rate_hz, *, bitrate, complexity, fec, dtx, max_playback_hz))]
    #[allow(clippy::fn_params_excessive_bools)] // keywords
    fn new(
        codec: &str,
        sample_rate_hz: u32,
        bitrate: u32,
        complexity: u8,
        fec: bool,
        dtx: bool,
        max_playback_hz: u32,
    ) -> PyResult<Self> {
        let settings = Settings { rate: rate(sample_rate_hz)?, bitrate, complexity, fec, dtx, max_playback_hz };
        Ok(Self { inner: Arc::new(Mutex::new(Encoder::new(self::codec(codec)?, settings)?)) })
    }
}

enum OwnedPiece {
    Frame(Vec<u8>),
    Lost(Vec<u8>),
    Silence,
}

impl OwnedPiece {
    fn new(kind: u8, payload: &[u8]) -> PyResult<Self> {
        match kind {
            0 => Ok(Self::Frame(payload.to_vec())),
            1 => Ok(Self::Lost(payload.to_vec())),
            2 => Ok(Self::Silence),
            _ => Err(PyValueError::new_err("kind must be 0, 1 or 2")),
        }
    }

    fn borrowed(&self) -> Piece<'_> {
        match self {
            Self::Frame(payload) => Piece::Frame(payload),
            Self::Lost(next) => Piece::Lost { next },
            Self::Silence => Piece::Silence,
        }
    }
}

type DecodeJob<'py> = (Bound<'py, AudioDecoder>, u8, Bound<'py, PyBytes>, u32, Vec<u32>);
type DecodeResult<'py> = (u8, bool, Vec<Bound<'py, PyBytes>>);

/// Runs decoders; see the stub.
#[pyfunction]
pub fn decode_audio<'py>(py: Python<'py>, jobs: Vec<DecodeJob<'py>>) -> PyResult<Vec<DecodeResult<'py>>> {
    let work = jobs
        .into_iter()
        .map(|(decoder, kind, payload, duration_us, rates)| {
            let rates = rates.into_iter().map(rate).collect::<PyResult<Vec<_>>>()?;
            Ok((Arc::clone(&decoder.get().inner), OwnedPiece::new(kind, payload.as_bytes())?, duration_us, rates))
        })
        .collect::<PyResult<Vec<_>>>()?;
    let decoded: Vec<Decoded> = py.detach(|| {
        work.iter()
            .map(|(decoder, piece, duration_us, rates)| {
                let mut stream = decoder.lock().unwrap_or_else(PoisonError::into_inner);
                // A stream that libopus cannot serve must not cost the others of the batch their turn.
                let decoded = stream.decode(piece.borrowed(), *duration_us, rates);
                decoded.unwrap_or_else(|_| Decoded::silence(*duration_us, rates))
            })
            .collect()
    });
    Ok(decoded
        .into_iter()
        .map(|Decoded { level_dbov, corrupt, samples }| {
            (level_dbov, corrupt, samples.iter().map(|at_rate| PyBytes::new(py, &to_bytes(at_rate))).collect())
        })
        .collect())
}

type EncodeJob<'py> = (Bound<'py, AudioEncoder>, Bound<'py, PyBytes>, u8, bool);

/// Runs encoders; see the stub.
#[pyfunction]
pub fn encode_audio<'py>(py: Python<'py>, jobs: Vec<EncodeJob<'py>>) -> Vec<(Bound<'py, PyBytes>, u8)> {
    let work: Vec<_> = jobs
        .into_iter()
        .map(|(encoder, samples, loss_percent, reset)| {
            (Arc::clone(&encoder.get().inner), from_bytes(samples.as_bytes()), loss_percent, reset)
        })
        .collect();
    let encoded: Vec<(Vec<u8>, u8)> = py.detach(|| {
        work.iter()
            .map(|(encoder, samples, loss_percent, reset)| {
                let mut stream = encoder.lock().unwrap_or_else(PoisonError::into_inner);
                stream.encode(samples, *loss_percent, *reset).unwrap_or_default()
            })
            .collect()
    });
    encoded.into_iter().map(|(payload, level)| (PyBytes::new(py, &payload), level)).collect()
}

fn to_bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}
