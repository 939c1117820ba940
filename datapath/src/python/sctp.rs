//! `SctpAssociation` and its errors.

use std::panic::{catch_unwind, AssertUnwindSafe};

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::sctp::{Limits, Reliability, Sctp, SctpError as Refusal, State};

create_exception!(offhook_datapath, SctpError, PyException, "A call that the association's state does not allow.");
create_exception!(offhook_datapath, BufferFull, SctpError, "The send buffer has no room for the message.");

impl From<Refusal> for PyErr {
    fn from(refusal: Refusal) -> PyErr {
        let message = refusal.to_string();
        match refusal {
            Refusal::BufferFull => BufferFull::new_err(message),
            Refusal::NotConnected
            | Refusal::StreamNotOpen(_)
            | Refusal::StreamInUse(_)
            | Refusal::TooManyStreams(_) => SctpError::new_err(message),
            Refusal::InvalidTime
            | Refusal::InvalidLimits
            | Refusal::UnknownPpid(_)
            | Refusal::EmptyMessage
            | Refusal::MessageTooLarge(_) => PyValueError::new_err(message),
        }
    }
}

/// One SCTP association over one DTLS connection; see the stub.
#[pyclass(module = "offhook_datapath")]
pub struct SctpAssociation {
    inner: Sctp,
}

impl SctpAssociation {
    /// Runs the protocol on a peer's input. A panic below ends this association, not the process that serves others.
    fn guarded<T>(&mut self, fallback: T, call: impl FnOnce(&mut Sctp) -> Result<T, Refusal>) -> PyResult<T> {
        if let Ok(result) = catch_unwind(AssertUnwindSafe(|| call(&mut self.inner))) {
            return Ok(result?);
        }
        self.inner.abort("internal error");
        Ok(fallback)
    }
}

#[pymethods]
impl SctpAssociation {
    #[new]
    #[pyo3(signature = (*, client, max_message_bytes, max_buffered_bytes, now))]
    fn new(client: bool, max_message_bytes: u32, max_buffered_bytes: u32, now: f64) -> PyResult<Self> {
        let limits = Limits { max_message_bytes, max_buffered_bytes };
        Ok(Self { inner: Sctp::new(client, limits, now)? })
    }

    #[getter]
    fn state(&self) -> &'static str {
        match self.inner.state() {
            State::Connecting => "connecting",
            State::Connected => "connected",
            State::Closing => "closing",
            State::Closed => "closed",
        }
    }

    #[getter]
    fn close_reason(&self) -> Option<&str> {
        self.inner.close_reason()
    }

    fn receive(&mut self, datagram: &[u8], now: f64) -> PyResult<bool> {
        self.guarded(false, |sctp| sctp.receive(datagram, now))
    }

    fn timeout(&self) -> Option<f64> {
        self.inner.timeout()
    }

    fn handle_timeout(&mut self, now: f64) -> PyResult<()> {
        self.guarded((), |sctp| sctp.handle_timeout(now))
    }

    fn take_datagrams<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let datagrams = self.guarded(Vec::new(), |sctp| Ok(sctp.take_datagrams()))?;
        Ok(datagrams.iter().map(|datagram| PyBytes::new(py, datagram)).collect())
    }

    fn open_stream(&mut self, stream_id: u16) -> PyResult<()> {
        self.guarded((), |sctp| sctp.open_stream(stream_id))
    }

    #[pyo3(signature = (stream_id, ppid, data, *, ordered = true, max_retransmits = None, lifetime_ms = None))]
    fn send(
        &mut self,
        stream_id: u16,
        ppid: u32,
        data: &[u8],
        ordered: bool,
        max_retransmits: Option<u32>,
        lifetime_ms: Option<u32>,
    ) -> PyResult<()> {
        let reliability = match (max_retransmits, lifetime_ms) {
            (None, None) => Reliability::Reliable,
            (Some(count), None) => Reliability::Retransmits(count),
            (None, Some(lifetime)) => Reliability::LifetimeMs(lifetime),
            (Some(_), Some(_)) => {
                return Err(PyValueError::new_err("max_retransmits and lifetime_ms exclude each other"));
            }
        };
        self.guarded((), |sctp| sctp.send(stream_id, ppid, data, ordered, reliability))
    }

    fn take_message<'py>(&mut self, py: Python<'py>) -> PyResult<Option<(u16, u32, Bound<'py, PyBytes>)>> {
        let message = self.guarded(None, |sctp| Ok(sctp.take_message()))?;
        Ok(message.map(|m| (m.stream_id, m.ppid, PyBytes::new(py, &m.data))))
    }

    fn close_stream(&mut self, stream_id: u16) -> PyResult<()> {
        self.guarded((), |sctp| sctp.close_stream(stream_id))
    }

    fn take_ended_streams(&mut self) -> Vec<u16> {
        self.inner.take_ended_streams()
    }

    fn buffered_amount(&mut self, stream_id: u16) -> PyResult<usize> {
        Ok(self.inner.buffered_amount(stream_id)?)
    }

    fn total_buffered(&mut self) -> usize {
        self.inner.total_buffered()
    }

    fn close(&mut self) -> PyResult<()> {
        self.guarded((), |sctp| {
            sctp.close();
            Ok(())
        })
    }

    fn hang_up<'py>(&mut self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.inner.hang_up().map(|packet| PyBytes::new(py, &packet))
    }
}
