//! An echo server on str0m, to compare with: WHIP in, every Opus packet back untouched, one thread, one UDP socket.
//!
//! It has the same library and socket code as the load, so that what differs from other servers is the design.
//! Prints `{"url": …}` when it listens. Ends with SIGTERM.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use offhook_bench_caller::port::Port;
use offhook_bench_caller::schedule::Schedule;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use str0m::change::SdpOffer;
use str0m::config::{DtlsCert, DtlsVersion};
use str0m::ice::{IceCreds, StunMessage};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};
use tiny_http::{HTTPVersion, Header, Method, Request, Response, Server};

const LONGEST_WAIT: Duration = Duration::from_secs(1);
const BATCHES_PER_TURN: usize = 4;

/// What signalling tells the thread that owns the calls.
enum Told {
    New { id: u64, rtc: Box<Rtc>, ufrag: String },
    End { id: u64 },
}

struct Call {
    rtc: Rtc,
    ufrag: String,
    address: Option<SocketAddr>,
    armed: Option<Instant>,
}

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("str0m-echo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let port = Port::open(loopback)?;
    let media = port.address()?;
    let http = Server::http(loopback).map_err(io::Error::other)?;
    let (tell, told) = channel();
    let woken = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    println!("{}", serde_json::json!({"url": format!("http://{}/whip", http.server_addr())}));
    let certificate = str0m::crypto::from_feature_flags().dtls_provider.generate_certificate();
    let certificate = certificate.ok_or_else(|| io::Error::other("no DTLS certificate"))?;
    let waker = woken.clone();
    std::thread::spawn(move || signal(&http, media, &certificate, &tell, &waker));
    Echo {
        port,
        media,
        told,
        woken,
        calls: HashMap::new(),
        by_address: HashMap::new(),
        by_ufrag: HashMap::new(),
        timers: Schedule::default(),
    }
    .run()
}

/// Answers HTTP for as long as the process lives.
fn signal(http: &Server, media: SocketAddr, certificate: &DtlsCert, tell: &Sender<Told>, woken: &OwnedFd) {
    let last_id = AtomicU64::new(0);
    for mut request in http.incoming_requests() {
        let told = match request.method() {
            Method::Post => accept(&mut request, media, certificate, last_id.fetch_add(1, Ordering::Relaxed)),
            Method::Delete => {
                let id = request.url().rsplit('/').next().and_then(|id| id.parse().ok());
                // tiny_http may queue a connection for a thread that another one has just taken, and which has it until it
                // is closed: of many that hang up at once, some would wait for the others to leave.
                let last = header("Connection", "close");
                id.map(|id| (Told::End { id }, Response::from_string("").with_header(last)))
            }
            _ => None,
        };
        let response = if let Some((told, response)) = told {
            // Both fail only once the media thread has ended, and the process with it.
            let _ = tell.send(told);
            let _ = rustix::io::write(woken, &1u64.to_ne_bytes());
            response
        } else {
            Response::from_string("cannot take this offer\n").with_status_code(400)
        };
        answer(request, response);
    }
}

/// In one write: in two, the second would wait for the delayed acknowledgement of the first, 40 ms.
fn answer(request: Request, response: Response<io::Cursor<Vec<u8>>>) {
    let mut bytes = Vec::new();
    if response.raw_print(&mut bytes, HTTPVersion(1, 1), &[], false, None).is_ok() {
        let mut writer = request.into_writer();
        // A client that has gone wants no answer.
        let _ = writer.write_all(&bytes).and_then(|()| writer.flush());
    }
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("made of constants and digits")
}

fn accept(
    request: &mut Request,
    media: SocketAddr,
    certificate: &DtlsCert,
    id: u64,
) -> Option<(Told, Response<io::Cursor<Vec<u8>>>)> {
    let mut offer = String::new();
    request.as_reader().read_to_string(&mut offer).ok()?;
    let credentials = IceCreds::new();
    let ufrag = credentials.ufrag.clone();
    let mut rtc = Rtc::builder()
        .clear_codecs()
        .enable_opus(true, false)
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .set_dtls_version(DtlsVersion::Dtls12)
        .set_dtls_cert(certificate.clone())
        .set_local_ice_credentials(credentials)
        .build(Instant::now());
    rtc.add_local_candidate(Candidate::host(media, "udp").ok()?);
    let answer = rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(&offer).ok()?).ok()?;
    let response = Response::from_string(answer.to_sdp_string())
        .with_status_code(201)
        .with_header(header("Content-Type", "application/sdp"))
        .with_header(header("Location", &format!("/whip/{id}")));
    Some((Told::New { id, rtc: Box::new(rtc), ufrag }, response))
}

struct Echo {
    port: Port,
    media: SocketAddr,
    told: Receiver<Told>,
    woken: Arc<OwnedFd>,
    calls: HashMap<u64, Call>,
    by_address: HashMap<SocketAddr, u64>,
    by_ufrag: HashMap<String, u64>,
    timers: Schedule,
}

impl Echo {
    fn run(mut self) -> io::Result<()> {
        loop {
            self.wait()?;
            self.take_told();
            for _ in 0..BATCHES_PER_TURN {
                if !self.receive()? {
                    break;
                }
            }
            let now = Instant::now();
            while let Some((when, id)) = self.timers.take_due(now) {
                let id = u64::from(id);
                if let Some(call) = self.calls.get_mut(&id).filter(|call| call.armed == Some(when)) {
                    call.armed = None;
                    self.given(id, |rtc| rtc.handle_input(Input::Timeout(now)));
                }
            }
            self.port.flush();
        }
    }

    fn wait(&self) -> io::Result<()> {
        let wait = self.timers.next().map_or(LONGEST_WAIT, |when| when.saturating_duration_since(Instant::now()));
        let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
        let mut ready = [
            PollFd::new(self.port.socket(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.woken.as_fd(), PollFlags::IN),
        ];
        match poll(&mut ready, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn take_told(&mut self) {
        // Nothing to read is no fault: the channel says what there is.
        let _ = rustix::io::read(&*self.woken, &mut [0; 8]);
        while let Ok(told) = self.told.try_recv() {
            match told {
                Told::New { id, rtc, ufrag } => {
                    self.by_ufrag.insert(ufrag.clone(), id);
                    // Its first check wakes it: woken now, it would pace its answer to that.
                    self.calls.insert(id, Call { rtc: *rtc, ufrag, address: None, armed: None });
                }
                Told::End { id } => self.forget(id),
            }
        }
    }

    fn receive(&mut self) -> io::Result<bool> {
        let mut arrived = Vec::new();
        let any = self.port.receive(|received| arrived.push((received.source, received.datagram.to_vec())))?;
        let now = Instant::now();
        for (source, datagram) in arrived {
            let Some(id) = self.by_address.get(&source).copied().or_else(|| self.introduce(source, &datagram)) else {
                continue;
            };
            let media = self.media;
            self.given(id, |rtc| match Receive::new(Protocol::Udp, source, media, &datagram) {
                Ok(received) => rtc.handle_input(Input::Receive(now, received)),
                Err(_) => Ok(()),
            });
        }
        Ok(any)
    }

    /// A stranger: a check says by its USERNAME whose it is.
    fn introduce(&mut self, source: SocketAddr, datagram: &[u8]) -> Option<u64> {
        let message = StunMessage::parse(datagram).ok()?;
        let (local, _) = message.split_username()?;
        let id = *self.by_ufrag.get(local)?;
        self.by_address.insert(source, id);
        self.calls.get_mut(&id)?.address = Some(source);
        Some(id)
    }

    fn given(&mut self, id: u64, give: impl FnOnce(&mut Rtc) -> Result<(), RtcError>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Ok(Some(timeout)) = give(&mut call.rtc).and_then(|()| drain(&mut call.rtc, &mut self.port)) else {
            self.forget(id);
            return;
        };
        if call.armed.is_none_or(|armed| timeout < armed) {
            call.armed = Some(timeout);
            self.timers.add(timeout, id as u32);
        }
    }

    fn forget(&mut self, id: u64) {
        if let Some(call) = self.calls.remove(&id) {
            self.by_ufrag.remove(&call.ufrag);
            if let Some(address) = call.address {
                self.by_address.remove(&address);
            }
        }
    }
}

/// Sends what a call wants sent, and what it heard back to where it came from. None if it is over.
fn drain(rtc: &mut Rtc, port: &mut Port) -> Result<Option<Instant>, RtcError> {
    loop {
        match rtc.poll_output()? {
            Output::Timeout(when) => return Ok(rtc.is_alive().then_some(when)),
            Output::Transmit(datagram) => {
                port.queue(None, datagram.destination, |bytes| bytes.extend_from_slice(&datagram.contents));
            }
            Output::Event(Event::RtpPacket(packet)) => {
                let mut api = rtc.direct_api();
                let Some(mid) = api.stream_rx(&packet.header.ssrc).map(|stream| stream.mid()) else { continue };
                let Some(stream) = api.stream_tx_by_mid(mid, None) else { continue };
                let header = &packet.header;
                let echo = RtpWrite::new(
                    header.payload_type,
                    packet.seq_no,
                    header.timestamp,
                    packet.timestamp,
                    packet.payload,
                );
                stream.write_rtp(echo.marker(header.marker));
                rtc.handle_input(Input::Timeout(packet.timestamp))?;
            }
            Output::Event(Event::IceConnectionStateChange(IceConnectionState::Disconnected)) => return Ok(None),
            Output::Event(_) => {}
        }
    }
}
