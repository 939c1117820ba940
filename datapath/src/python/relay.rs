//! `RelayEngine` and `RelayThreadReport`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::relay::admission::Limits;
use crate::relay::command::{Command, Flows};
use crate::relay::counters::Counters;
use crate::relay::engine::{Engine, EngineError, Listener, Settings};
use crate::relay::flow_table::FlowKey;
use crate::relay::mailbox::Report;
use crate::relay::pace::PaceSettings;
use crate::relay::source::SourcePrefix;
use crate::wire::drop_reason::DropReason;
use crate::wire::spp::{SppHeader, HEADER_BYTES};
use crate::wire::ufrag::KeyRing;

impl From<EngineError> for PyErr {
    fn from(error: EngineError) -> PyErr {
        match error {
            // With its number, Python picks the subclass.
            EngineError::Io(error) => match error.raw_os_error() {
                Some(number) => PyOSError::new_err((number, error.to_string())),
                None => PyOSError::new_err(error.to_string()),
            },
            EngineError::NotRunning => PyRuntimeError::new_err(error.to_string()),
            EngineError::TooManyListeners => PyValueError::new_err(error.to_string()),
        }
    }
}

/// What one thread has counted; see the stub.
#[pyclass(frozen, get_all, module = "offhook_datapath")]
pub struct RelayThreadReport {
    flows: usize,
    budgets: (f64, f64, f64),
    client_datagrams_received: u64,
    client_bytes_received: u64,
    client_datagrams_sent: u64,
    client_bytes_sent: u64,
    transceiver_datagrams_received: u64,
    transceiver_bytes_received: u64,
    transceiver_datagrams_sent: u64,
    transceiver_bytes_sent: u64,
    checks_verified: u64,
    synced_flows_refused: u64,
    trains_sent: u64,
    train_datagrams_sent: u64,
    gathered: u64,
    batches: Vec<u64>,
    drops: Vec<(&'static str, u64)>,
}

impl From<Report> for RelayThreadReport {
    fn from(Report { flows, counters, budgets, .. }: Report) -> Self {
        let Counters { batches, drops, .. } = &counters;
        let drops = DropReason::ALL.iter().map(|reason| reason.slug()).zip(drops.0).collect();
        Self {
            flows,
            budgets: (budgets.unproven_checks, budgets.proven_checks, budgets.new_flows),
            client_datagrams_received: counters.client_datagrams_received,
            client_bytes_received: counters.client_bytes_received,
            client_datagrams_sent: counters.client_datagrams_sent,
            client_bytes_sent: counters.client_bytes_sent,
            transceiver_datagrams_received: counters.transceiver_datagrams_received,
            transceiver_bytes_received: counters.transceiver_bytes_received,
            transceiver_datagrams_sent: counters.transceiver_datagrams_sent,
            transceiver_bytes_sent: counters.transceiver_bytes_sent,
            checks_verified: counters.checks_verified,
            synced_flows_refused: counters.synced_flows_refused,
            trains_sent: counters.trains_sent,
            train_datagrams_sent: counters.train_datagrams_sent,
            gathered: counters.gathered,
            batches: batches.to_vec(),
            drops,
        }
    }
}

/// Threads that forward datagrams; see the stub.
#[pyclass(frozen, module = "offhook_datapath")]
pub struct RelayEngine {
    engine: Mutex<Engine>,
}

impl RelayEngine {
    fn lock(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs without the interpreter's lock, as a full queue or a busy thread may take its time.
    fn detached<T: Send>(&self, py: Python<'_>, call: impl FnOnce(&mut Engine) -> T + Send) -> T {
        py.detach(|| call(&mut self.lock()))
    }

    fn command(&self, py: Python<'_>, command: &Command) -> PyResult<()> {
        Ok(self.detached(py, |engine| engine.command(command))?)
    }

    fn command_on_flows(
        &self,
        py: Python<'_>,
        headers: &[u8],
        command: impl FnOnce(Flows) -> Command + Send,
    ) -> PyResult<()> {
        if headers.len() % HEADER_BYTES != 0 {
            return Err(PyValueError::new_err("flows are whole SPP headers"));
        }
        let keys = self.detached(py, |engine| {
            let keys = headers.chunks_exact(HEADER_BYTES).map(|header| {
                let (header, _) = SppHeader::read(header).ok()?;
                engine.flow_key(&header)
            });
            keys.collect::<Option<Vec<FlowKey>>>()
        });
        let keys = keys.ok_or_else(|| PyValueError::new_err("not an SPP header, or over 65,535 public addresses"))?;
        self.command(py, &command(keys.into()))
    }
}

#[pymethods]
impl RelayEngine {
    #[new]
    #[pyo3(signature = (
        *, cluster_id, listeners, upstream, max_flows, unsynced_flow_idle_s, threads, gather_us, gather_above,
        max_flows_per_source, new_flows_per_s, unproven_checks_per_s, proven_checks_per_s, suspect_checks_per_s,
        ipv4_source_bits, ipv6_source_bits
    ))]
    #[allow(clippy::too_many_arguments)] // Python names them.
    fn new(
        cluster_id: u16,
        listeners: Vec<(String, String)>,
        upstream: &str,
        max_flows: u32,
        unsynced_flow_idle_s: f64,
        threads: u16,
        gather_us: u32,
        gather_above: u32,
        max_flows_per_source: u32,
        new_flows_per_s: u32,
        unproven_checks_per_s: u32,
        proven_checks_per_s: u32,
        suspect_checks_per_s: u32,
        ipv4_source_bits: u8,
        ipv6_source_bits: u8,
    ) -> PyResult<Self> {
        let listener =
            |(bind, public): (String, String)| Ok(Listener { bind: address(&bind)?, public: address(&public)?.into() });
        let idle = Duration::try_from_secs_f64(unsynced_flow_idle_s)
            .map_err(|_| PyValueError::new_err("unsynced_flow_idle_s is a positive number of seconds"))?;
        let settings = Settings {
            cluster_id,
            listeners: listeners.into_iter().map(listener).collect::<PyResult<_>>()?,
            upstream: address(upstream)?,
            max_flows: max_flows as usize,
            idle,
            threads: threads.into(),
            pace: PaceSettings { gather: Duration::from_micros(gather_us.into()), threshold: gather_above },
            limits: Limits {
                max_flows_per_source,
                new_flows_per_s: new_flows_per_s.into(),
                unproven_checks_per_s: unproven_checks_per_s.into(),
                proven_checks_per_s: proven_checks_per_s.into(),
                suspect_checks_per_s,
                source: SourcePrefix::new(ipv4_source_bits, ipv6_source_bits),
            },
        };
        Ok(Self { engine: Mutex::new(Engine::open(&settings)?) })
    }

    fn dead_threads(&self) -> usize {
        self.lock().dead_threads()
    }

    fn upstream_addresses(&self) -> Vec<String> {
        self.lock().upstream_addresses().iter().map(SocketAddr::to_string).collect()
    }

    fn listen(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let bound = self.detached(py, Engine::listen)?;
        Ok(bound.iter().map(SocketAddr::to_string).collect())
    }

    /// Keys as (config id, block key, password key).
    fn set_keys(&self, py: Python<'_>, keys: Vec<(char, [u8; 16], [u8; 32])>) -> PyResult<()> {
        let mut ring = KeyRing::default();
        for (config_id, block_key, password_key) in keys {
            let held = u8::try_from(config_id).is_ok_and(|id| ring.insert(id, &block_key, &password_key));
            if !held {
                return Err(PyValueError::new_err("a route key's id is one of A-Z a-z 0-9 + /"));
            }
        }
        self.command(py, &Command::SetKeys(Arc::new(ring)))
    }

    fn set_transceiver(&self, py: Python<'_>, transceiver_id: u32, media_address: &str) -> PyResult<()> {
        self.command(py, &Command::SetTransceiver(transceiver_id, address(media_address)?.into()))
    }

    fn remove_transceiver(&self, py: Python<'_>, transceiver_id: u32) -> PyResult<()> {
        self.command(py, &Command::RemoveTransceiver(transceiver_id))
    }

    fn upsert_flows(&self, py: Python<'_>, transceiver_id: u32, flows: &[u8]) -> PyResult<()> {
        self.command_on_flows(py, flows, |flows| Command::UpsertFlows(transceiver_id, flows))
    }

    fn remove_flows(&self, py: Python<'_>, transceiver_id: u32, flows: &[u8]) -> PyResult<()> {
        self.command_on_flows(py, flows, |flows| Command::RemoveFlows(transceiver_id, flows))
    }

    fn replace_flows(&self, py: Python<'_>, transceiver_id: u32, flows: &[u8]) -> PyResult<()> {
        self.command_on_flows(py, flows, |flows| Command::ReplaceFlows(transceiver_id, flows))
    }

    fn release_flows(&self, py: Python<'_>, transceiver_id: u32) -> PyResult<()> {
        self.command(py, &Command::ReleaseFlows(transceiver_id))
    }

    fn reports(&self, py: Python<'_>) -> PyResult<Vec<RelayThreadReport>> {
        let reports = self.detached(py, |engine| engine.reports())?;
        Ok(reports.into_iter().map(RelayThreadReport::from).collect())
    }

    fn hand_over(&self, py: Python<'_>) -> PyResult<()> {
        Ok(self.detached(py, |engine| engine.hand_over())?)
    }

    fn close(&self, py: Python<'_>) {
        self.detached(py, Engine::close);
    }
}

fn address(text: &str) -> PyResult<SocketAddr> {
    text.parse().map_err(|_| PyValueError::new_err(format!("{text:?} is not an ip:port")))
}
