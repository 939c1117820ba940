//! `MediaPort` and `MediaPortCounters`.

use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use rustc_hash::FxHashMap;

use crate::audio::Codec;
use crate::media::core::{Counters, Incoming, PathId, SessionId};
use crate::media::lane::{Frame, Lane, Position, Progress, Reports, Stream};
use crate::media::port::Port;
use crate::media::relays::Network;
use crate::media::rtp::RtpPacket;
use crate::media::srtp::Profile;
use crate::wire::drop_reason::DropReason;
use crate::wire::endpoint::Endpoint;
use crate::wire::spp::SppHeader;

/// Frames that one call of `receive` hands over, at most: then the others have their turn in memory.
const FRAMES_PER_BATCH: usize = 256;

/// Paths as Python knows them.
#[derive(Default)]
struct Paths {
    objects: FxHashMap<PathId, Py<PyAny>>,
    /// By the address of the Python object: mostly the same object comes back, and hashing one takes longer than all of
    /// its SRTP. The objects are held above, so no other can have their address.
    ids_by_address: FxHashMap<usize, PathId>,
    ids: Option<Py<PyDict>>,
}

impl Paths {
    fn ids<'py>(&mut self, py: Python<'py>) -> &Bound<'py, PyDict> {
        self.ids.get_or_insert_with(|| PyDict::new(py).unbind()).bind(py)
    }

    fn insert(&mut self, path: &Bound<'_, PyAny>, id: PathId) -> PyResult<()> {
        if self.objects.contains_key(&id) {
            return Ok(());
        }
        self.ids(path.py()).set_item(path, id)?;
        self.ids_by_address.insert(path.as_ptr() as usize, id);
        self.objects.insert(id, path.clone().unbind());
        Ok(())
    }

    fn find(&mut self, path: &Bound<'_, PyAny>) -> PyResult<Option<PathId>> {
        if let Some(&id) = self.ids_by_address.get(&(path.as_ptr() as usize)) {
            return Ok(Some(id));
        }
        let found = self.ids(path.py()).get_item(path)?;
        found.map(|id| id.extract()).transpose()
    }

    fn remove(&mut self, py: Python<'_>, id: PathId) -> PyResult<()> {
        if let Some(path) = self.objects.remove(&id) {
            self.ids_by_address.remove(&(path.as_ptr() as usize));
            self.ids(py).del_item(path)?;
        }
        Ok(())
    }
}

/// What a port has counted; see the stub.
#[pyclass(frozen, get_all, module = "offhook_datapath")]
pub struct MediaPortCounters {
    datagrams_received: u64,
    bytes_received: u64,
    datagrams_sent: u64,
    bytes_sent: u64,
    drops: Vec<(&'static str, u64)>,
}

impl From<&Counters> for MediaPortCounters {
    fn from(counters: &Counters) -> Self {
        let dropped = DropReason::ALL.iter().map(|reason| reason.slug()).zip(counters.drops.0);
        Self {
            datagrams_received: counters.datagrams_received,
            bytes_received: counters.bytes_received,
            datagrams_sent: counters.datagrams_sent,
            bytes_sent: counters.bytes_sent,
            drops: dropped.filter(|&(_, count)| count > 0).collect(),
        }
    }
}

/// A media port; see the stub.
#[pyclass(generic, module = "offhook_datapath")]
pub struct MediaPort {
    port: Option<Port>,
    paths: Paths,
    /// The classes of frames and RTP packets, named tuples, and `tuple.__new__`, which makes one without a call into Python.
    frame_class: Py<PyAny>,
    packet_class: Py<PyAny>,
    new_tuple: Py<PyAny>,
}

impl MediaPort {
    fn port(&mut self) -> PyResult<&mut Port> {
        self.port.as_mut().ok_or_else(|| PyRuntimeError::new_err("the media port is closed"))
    }
}

#[pymethods]
impl MediaPort {
    #[new]
    #[pyo3(signature = (*, address, dscp, buffer_bytes, frame_class, packet_class))]
    fn new(
        address: &str,
        dscp: u8,
        buffer_bytes: usize,
        frame_class: &Bound<'_, PyAny>,
        packet_class: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let address: SocketAddr =
            address.parse().map_err(|_| PyValueError::new_err(format!("{address:?} is not an ip:port")))?;
        let port = Port::open(address, dscp, buffer_bytes).map_err(|error| os_error(&error))?;
        let new_tuple = packet_class.py().get_type::<PyTuple>().getattr("__new__")?.unbind();
        Ok(Self {
            port: Some(port),
            paths: Paths::default(),
            frame_class: frame_class.clone().unbind(),
            packet_class: packet_class.clone().unbind(),
            new_tuple,
        })
    }

    fn address(&mut self) -> PyResult<(String, u16)> {
        let address = self.port()?.socket().local_addr().map_err(|error| os_error(&error))?;
        Ok((address.ip().to_string(), address.port()))
    }

    fn fileno(&mut self) -> PyResult<i32> {
        Ok(self.port()?.socket().as_raw_fd())
    }

    fn accept_relays(&mut self, addresses: Vec<(String, u16)>, networks: Vec<(String, u32)>) -> PyResult<()> {
        let addresses: Vec<Endpoint> =
            addresses.into_iter().map(|(host, port)| endpoint(&host, port)).collect::<PyResult<_>>()?;
        let networks = networks.into_iter().map(|(host, bits)| network(&host, bits)).collect::<PyResult<_>>()?;
        self.port()?.accept_relays(addresses, networks);
        Ok(())
    }

    fn bind(
        &mut self,
        path: &Bound<'_, PyAny>,
        header: &[u8],
        session_id: SessionId,
        relay_host: &str,
        relay_port: u16,
    ) -> PyResult<()> {
        let relay = endpoint(relay_host, relay_port)?;
        let (header, _) = SppHeader::read(header).map_err(|_| PyValueError::new_err("not an SPP header"))?;
        let before = self.paths.find(path)?;
        let id = self.port()?.bind(&header, session_id, relay);
        if before == Some(id) {
            return Ok(());
        }
        if let Some(before) = before {
            self.paths.remove(path.py(), before)?;
        }
        self.paths.insert(path, id)
    }

    fn unbind(&mut self, path: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Some(id) = self.paths.find(path)? {
            self.port()?.unbind(id);
            self.paths.remove(path.py(), id)?;
        }
        Ok(())
    }

    fn start_srtp(&mut self, session_id: SessionId, profile: &str, inbound: &[u8], outbound: &[u8]) -> PyResult<()> {
        let profile = Profile::ALL.into_iter().find(|known| known.name() == profile);
        let profile = profile.ok_or_else(|| PyValueError::new_err("not a DTLS-SRTP profile"))?;
        let started = self.port()?.start_srtp(session_id, profile, inbound, outbound);
        started.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn stop(&mut self, py: Python<'_>, session_id: SessionId) -> PyResult<()> {
        for path in self.port()?.stop(session_id) {
            self.paths.remove(py, path)?;
        }
        Ok(())
    }

    fn fill(&mut self) -> PyResult<bool> {
        Ok(self.port()?.fill())
    }

    fn add_lane(&mut self, session_id: SessionId) -> PyResult<()> {
        self.port()?.add_lane(session_id);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // a named tuple of Python's, spread out
    fn open_lane(
        &mut self,
        session_id: SessionId,
        path: &Bound<'_, PyAny>,
        codec: &str,
        clock_rate: u32,
        payload_type: u8,
        level_id: Option<u8>,
        ssrc: u32,
        position: (i64, i64, u32, f64, Option<f64>),
    ) -> PyResult<()> {
        let codec = Codec::from_name(codec).ok_or_else(|| PyValueError::new_err("not a codec of RTP"))?;
        let (next_sequence, rtp_timestamp, wire_timestamp, jitter, transit) = position;
        let position = Position { next_sequence, rtp_timestamp, wire_timestamp, jitter, transit };
        if let Some(path) = self.paths.find(path)? {
            let stream = Stream { codec, clock_rate, payload_type, level_id, ssrc };
            self.port()?.with_lane(session_id, |lane| lane.open(path, stream, position));
        }
        Ok(())
    }

    fn close_lane(&mut self, session_id: SessionId) -> PyResult<()> {
        self.port()?.with_lane(session_id, Lane::close);
        Ok(())
    }

    #[allow(clippy::type_complexity)] // two named tuples of Python's
    fn take_progress(
        &mut self,
        session_id: SessionId,
    ) -> PyResult<Option<(u64, u64, f64, (i64, i64, u32, f64, Option<f64>))>> {
        let progress = self.port()?.with_lane(session_id, Lane::take_progress).flatten();
        Ok(progress.map(|Progress { packets, payload_bytes, last_arrival, position }| {
            let Position { next_sequence, rtp_timestamp, wire_timestamp, jitter, transit } = position;
            (packets, payload_bytes, last_arrival, (next_sequence, rtp_timestamp, wire_timestamp, jitter, transit))
        }))
    }

    fn report_arrivals(&mut self, session_id: SessionId, reports: Option<(u8, u32, Vec<u8>)>) -> PyResult<()> {
        let reports = reports.map(|(extension_id, sender_ssrc, prefix)| Reports { extension_id, sender_ssrc, prefix });
        self.port()?.with_lane(session_id, |lane| lane.report_arrivals(reports));
        Ok(())
    }

    fn receive<'py>(&mut self, py: Python<'py>, now: f64) -> PyResult<(Bound<'py, PyList>, Option<Bound<'py, PyAny>>)> {
        let frames = PyList::empty(py);
        let mut other = None;
        let mut room = FRAMES_PER_BATCH;
        let mut failed = Ok(());
        let Self { port: Some(port), paths, frame_class, packet_class, new_tuple } = self else {
            return Ok((frames, None));
        };
        let handing = Handing {
            py,
            paths,
            frame_class: frame_class.bind(py),
            packet_class: packet_class.bind(py),
            new_tuple: new_tuple.bind(py),
        };
        port.drain(now, |incoming, relay| {
            let taken = match incoming {
                Incoming::Audio(session, frame) => {
                    handing.audio(&frame).and_then(|frame| frames.append((session, frame)))
                }
                incoming => handing.other(incoming, relay).map(|item| other = Some(item)),
            };
            room -= 1;
            failed = taken;
            if failed.is_err() || other.is_some() || room == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        failed.map(|()| (frames, other))
    }

    fn send(&mut self, path: &Bound<'_, PyAny>, datagram: &[u8]) -> PyResult<()> {
        let path = self.paths.find(path)?;
        self.port()?.send(path, datagram);
        Ok(())
    }

    fn send_rtp(&mut self, session_id: SessionId, path: &Bound<'_, PyAny>, packet: &[u8]) -> PyResult<()> {
        let path = self.paths.find(path)?;
        self.port()?.send_rtp(session_id, path, packet);
        Ok(())
    }

    fn send_rtcp(&mut self, session_id: SessionId, path: &Bound<'_, PyAny>, packet: &[u8]) -> PyResult<()> {
        let path = self.paths.find(path)?;
        self.port()?.send_rtcp(session_id, path, packet);
        Ok(())
    }

    fn schedule_rtp(
        &mut self,
        session_id: SessionId,
        path: &Bound<'_, PyAny>,
        packet: &[u8],
        due: f64,
        now: f64,
    ) -> PyResult<bool> {
        let path = self.paths.find(path)?;
        Ok(self.port()?.schedule_rtp(session_id, path, packet, microseconds(due), microseconds(now)))
    }

    fn waiting(&mut self, session_id: SessionId) -> PyResult<usize> {
        Ok(self.port()?.waiting(session_id))
    }

    fn take_back(&mut self, session_id: SessionId) -> PyResult<usize> {
        Ok(self.port()?.take_back(session_id))
    }

    fn reroute(&mut self, session_id: SessionId, path: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Some(path) = self.paths.find(path)? {
            self.port()?.reroute(session_id, path);
        }
        Ok(())
    }

    fn send_feedback(&mut self, session_id: SessionId, path: &Bound<'_, PyAny>, now: f64) -> PyResult<()> {
        let path = self.paths.find(path)?;
        self.port()?.send_feedback(session_id, path, now);
        Ok(())
    }

    fn flush(&mut self) -> PyResult<()> {
        self.port()?.flush();
        Ok(())
    }

    fn counters(&mut self) -> PyResult<MediaPortCounters> {
        Ok((&self.port()?.counters()).into())
    }

    fn close(&mut self) {
        self.port = None;
        self.paths = Paths::default();
    }
}

/// What is needed to hand a datagram over.
struct Handing<'a, 'py> {
    py: Python<'py>,
    paths: &'a Paths,
    frame_class: &'a Bound<'py, PyAny>,
    packet_class: &'a Bound<'py, PyAny>,
    new_tuple: &'a Bound<'py, PyAny>,
}

impl<'py> Handing<'_, 'py> {
    fn path(&self, path: PathId) -> PyResult<&Bound<'py, PyAny>> {
        let path = self.paths.objects.get(&path).ok_or_else(|| PyRuntimeError::new_err("a path without an object"))?;
        Ok(path.bind(self.py))
    }

    fn audio(&self, frame: &Frame<'_>) -> PyResult<Bound<'py, PyAny>> {
        let Frame { payload, codec, rtp_timestamp, sequence, marker, level_dbov } = *frame;
        let payload = PyBytes::new(self.py, payload);
        let codec = PyString::intern(self.py, codec.name());
        let fields = (payload, codec, rtp_timestamp, sequence, marker, level_dbov, 0);
        self.new_tuple.call1((self.frame_class, fields))
    }

    fn rtp(&self, packet: &RtpPacket<'_>) -> PyResult<Bound<'py, PyAny>> {
        let extensions = PyDict::new(self.py);
        for (id, data) in packet.extensions.clone() {
            // As in Python, the first of an id counts.
            if !extensions.contains(id)? {
                extensions.set_item(id, PyBytes::new(self.py, data))?;
            }
        }
        let RtpPacket { payload_type, marker, sequence, timestamp, ssrc, .. } = *packet;
        let payload = PyBytes::new(self.py, packet.payload);
        let fields = (payload_type, marker, sequence, timestamp, ssrc, payload, extensions);
        self.new_tuple.call1((self.packet_class, fields))
    }

    fn other(&self, incoming: Incoming<'_>, relay: Endpoint) -> PyResult<Bound<'py, PyAny>> {
        let bytes = |datagram| PyBytes::new(self.py, datagram);
        let item = match incoming {
            Incoming::Stun(datagram) => {
                let relay = SocketAddr::from(relay);
                ("stun", bytes(datagram), relay.ip().to_string(), relay.port()).into_pyobject(self.py)?
            }
            Incoming::Dtls(path, session, records) => {
                ("dtls", session, self.path(path)?, bytes(records)).into_pyobject(self.py)?
            }
            Incoming::Rtcp(path, session, packet) => {
                ("rtcp", session, self.path(path)?, bytes(packet)).into_pyobject(self.py)?
            }
            Incoming::Rtp(path, session, packet) => {
                ("rtp", session, self.path(path)?, self.rtp(&packet)?).into_pyobject(self.py)?
            }
            Incoming::Audio(..) => unreachable!("frames are in the list"),
        };
        Ok(item.into_any())
    }
}

/// Of seconds on the monotonic clock.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // such casts saturate, and time is not negative
fn microseconds(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

fn os_error(error: &std::io::Error) -> PyErr {
    // With its number, Python picks the subclass.
    match error.raw_os_error() {
        Some(number) => PyOSError::new_err((number, error.to_string())),
        None => PyOSError::new_err(error.to_string()),
    }
}

fn host(text: &str) -> PyResult<IpAddr> {
    text.parse().map_err(|_| PyValueError::new_err(format!("{text:?} is not an IP address")))
}

fn endpoint(text: &str, port: u16) -> PyResult<Endpoint> {
    Ok(SocketAddr::new(host(text)?, port).into())
}

fn network(text: &str, prefix_bits: u32) -> PyResult<Network> {
    let host = host(text)?;
    let mapped_bits = if host.is_ipv4() { 96 } else { 0 };
    Ok(Network::new(Endpoint::from(SocketAddr::new(host, 0)).host, mapped_bits + prefix_bits))
}
