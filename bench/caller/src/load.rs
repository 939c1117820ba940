//! The event loop: all callers on one socket, woken for what arrives, what is due, and what signalling has done.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use str0m::RtcError;
use str0m::config::DtlsCert;

use crate::call::{Call, Said, Stages};
use crate::envelope::{self, Envelope};
use crate::figures::Times;
use crate::options::Options;
use crate::port::Port;
use crate::schedule::{Rounds, Schedule};
use crate::signalling::{Done, Signalling};

/// Spacing of packets.
pub const FRAME: Duration = Duration::from_millis(20);
const SAMPLES_PER_MS: u64 = 48;
const BATCHES_PER_TURN: usize = 4;

/// What a run wants to know of.
#[derive(Debug, Clone, Copy)]
pub enum Happened {
    /// DTLS is up.
    Up(u32),
    /// Audio came back: the packet's number if it was ours.
    Heard {
        /// Whose.
        slot: u32,
        /// None if a worker made it.
        number: Option<u32>,
        /// When.
        at: Instant,
    },
    /// The server took leave, or the call never came up; counted in [`Load::failures`].
    Failed(u32),
    /// The server knows that it is over.
    Ended(u32),
}

/// Packets of one caller: number `first + n` is due at `origin + n * FRAME`.
#[derive(Debug, Clone, Copy)]
struct Stream {
    origin: Instant,
    first: u32,
    next: u32,
    on: bool,
}

struct Slot {
    call: Call,
    stream: Option<Stream>,
    /// When it wants to be woken, and the earliest time at which `timers` will.
    timeout: Instant,
    armed: Instant,
}

struct Held {
    until: Instant,
    slot: u32,
    address: SocketAddr,
    datagram: Vec<u8>,
}

/// See the module.
pub struct Load {
    envelope: Envelope,
    port: Port,
    client_port: u16,
    signalling: Signalling,
    certificate: DtlsCert,
    mark: u32,
    began: Instant,
    gather: Duration,
    delay: Duration,
    setup_timeout: Duration,
    slots: Vec<Option<Box<Slot>>>,
    timers: Schedule,
    due: Rounds,
    setups: VecDeque<(Instant, u32)>,
    inbound: VecDeque<Held>,
    outbound: VecDeque<Held>,
    last_sent: Instant,
    happened: Vec<Happened>,
    /// Calls that failed, by reason, with what the first of each said.
    pub failures: BTreeMap<String, (u64, String)>,
    /// How late packets left, since somebody last took this.
    pub late: Times,
}

impl Load {
    /// Opens socket and signalling.
    ///
    /// # Errors
    /// The kernel's; a URL that is not `http://`.
    pub fn open(options: &Options) -> io::Result<Self> {
        let envelope = options.envelope();
        let bind = match envelope {
            Envelope::Plain(_) => "0.0.0.0:0",
            Envelope::Spp(_) => "127.0.0.1:0",
        };
        let port = Port::open(bind.parse().expect("a constant"))?;
        let provider = str0m::crypto::from_feature_flags();
        let certificate =
            provider.dtls_provider.generate_certificate().ok_or_else(|| io::Error::other("no DTLS certificate"))?;
        let now = Instant::now();
        Ok(Self {
            envelope,
            client_port: port.address()?.port(),
            port,
            signalling: Signalling::start(options)?,
            certificate,
            mark: std::process::id(),
            began: now,
            gather: Duration::from_micros(options.gather_us),
            delay: Duration::from_secs_f64(options.delay_ms / 1000.0),
            setup_timeout: Duration::from_secs_f64(options.setup_timeout_s),
            slots: Vec::new(),
            timers: Schedule::default(),
            due: Rounds::default(),
            setups: VecDeque::new(),
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
            last_sent: now,
            happened: Vec::new(),
            failures: BTreeMap::new(),
            late: Times::default(),
        })
    }

    /// Port of the load's own socket.
    #[must_use]
    pub fn client_port(&self) -> u16 {
        self.client_port
    }

    /// Datagrams that the kernel did not take from us.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.port.unsent
    }

    /// Places a call that was due at `due`. Returns its slot; slots count from 0 and are never reused.
    pub fn place(&mut self, due: Instant) -> u32 {
        let slot = u32::try_from(self.slots.len()).expect("a million calls at most");
        let address = self.envelope.client(slot, self.client_port);
        match Call::offer(address, &self.certificate, self.mark, due) {
            Ok((call, offer)) => {
                let never = due + Duration::from_secs(86_400);
                self.slots.push(Some(Box::new(Slot { call, stream: None, timeout: never, armed: never })));
                self.setups.push_back((due + self.setup_timeout, slot));
                self.signalling.open(slot, offer);
            }
            Err(error) => {
                self.slots.push(None);
                self.fail(slot, "offer", &error.to_string());
            }
        }
        slot
    }

    /// How far a call got.
    #[must_use]
    pub fn stages(&self, slot: u32) -> Option<Stages> {
        self.slots[slot as usize].as_ref().map(|each| each.call.stages)
    }

    /// From `origin` on it sends a packet every 20 ms. Returns the number of the first.
    pub fn start(&mut self, slot: u32, origin: Instant) -> u32 {
        let Some(each) = &mut self.slots[slot as usize] else { return 0 };
        let first = each.stream.map_or(0, |stream| stream.next);
        each.stream = Some(Stream { origin, first, next: first, on: true });
        self.due.add(origin, slot);
        first
    }

    /// It falls silent.
    pub fn stop(&mut self, slot: u32) {
        if let Some(Slot { stream: Some(stream), .. }) = self.slots[slot as usize].as_deref_mut() {
            stream.on = false;
        }
    }

    /// Everybody falls silent.
    pub fn stop_all(&mut self) {
        for slot in 0..self.slots.len() {
            self.stop(slot as u32);
        }
        self.due.clear();
    }

    /// Ends a call; [`Happened::Ended`] follows. False if there was none.
    pub fn end(&mut self, slot: u32) -> bool {
        let Some(ended) = self.slots[slot as usize].take() else { return false };
        match ended.call.location {
            Some(location) => self.signalling.end(slot, location),
            None => self.happened.push(Happened::Ended(slot)),
        }
        true
    }

    /// Waits until something is to be done, at most until `until`, and does it.
    ///
    /// # Errors
    /// The socket's.
    pub fn turn(&mut self, until: Instant) -> io::Result<Vec<Happened>> {
        self.wait(until)?;
        for _ in 0..BATCHES_PER_TURN {
            if !self.receive()? {
                break;
            }
        }
        self.take_answers();
        let now = Instant::now();
        self.release_held(now);
        self.wake_calls(now);
        self.send_due(Instant::now());
        self.give_up_on_setups(now);
        self.port.flush();
        Ok(std::mem::take(&mut self.happened))
    }

    fn wait(&self, until: Instant) -> io::Result<()> {
        let packets = self.due.next().map(|when| when.max(self.last_sent + self.gather));
        let held = self.inbound.front().into_iter().chain(self.outbound.front()).map(|held| held.until).min();
        let setups = self.setups.front().map(|(when, _)| *when);
        let next = [packets, self.timers.next(), held, setups].into_iter().flatten().min();
        let wait = next.map_or(until, |next| next.min(until)).saturating_duration_since(Instant::now());
        let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
        let mut ready = [
            PollFd::new(self.port.socket(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.signalling.woken(), PollFlags::IN),
        ];
        match poll(&mut ready, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn receive(&mut self) -> io::Result<bool> {
        let (envelope, delay, client_port) = (self.envelope, self.delay, self.client_port);
        let mut arrived = std::mem::take(&mut self.inbound);
        let until = Instant::now() + delay;
        let any = self.port.receive(|received| {
            let (client, source, datagram) = match envelope {
                Envelope::Plain(_) => {
                    (SocketAddr::new(received.destination, client_port), received.source, received.datagram)
                }
                Envelope::Spp(_) => match envelope::decode(received.datagram) {
                    Some(parts) => parts,
                    None => return,
                },
            };
            if let Some(slot) = envelope.slot(client) {
                arrived.push_back(Held { until, slot, address: source, datagram: datagram.to_vec() });
            }
        });
        self.inbound = arrived;
        if delay.is_zero() {
            self.release_held(until);
        }
        any
    }

    fn release_held(&mut self, now: Instant) {
        while self.inbound.front().is_some_and(|held| held.until <= now) {
            let Some(held) = self.inbound.pop_front() else { break };
            self.given(held.slot, now, |call| call.receive(held.address, &held.datagram, now));
        }
        while self.outbound.front().is_some_and(|held| held.until <= now) {
            let Some(held) = self.outbound.pop_front() else { break };
            let client = self.envelope.client(held.slot, self.client_port);
            send(&mut self.port, self.envelope, client, held.address, &held.datagram);
        }
    }

    fn take_answers(&mut self) {
        let done: Vec<Done> = self.signalling.take_done().collect();
        for each in done {
            match each {
                Done::Opened { slot, location, answer, at } => {
                    if let Some(opened) = &mut self.slots[slot as usize] {
                        opened.call.location = Some(location);
                    } else {
                        // It gave up meanwhile; the server must not keep it.
                        self.signalling.end(slot, location);
                    }
                    self.given(slot, at, |call| call.accept(&answer, at));
                }
                Done::Refused { slot, reason, detail } => self.fail(slot, &reason, &detail),
                Done::Ended { slot } => self.happened.push(Happened::Ended(slot)),
            }
        }
    }

    fn wake_calls(&mut self, now: Instant) {
        while let Some((_, slot)) = self.timers.take_due(now) {
            let Some(woken) = &mut self.slots[slot as usize] else { continue };
            if woken.timeout <= now {
                // Whatever it answers, this entry is used up.
                woken.armed = now + Duration::from_secs(86_400);
                self.given(slot, now, |call| call.handle_timeout(now));
            } else if woken.armed <= now {
                woken.armed = woken.timeout;
                self.timers.add(woken.timeout, slot);
            }
        }
    }

    fn send_due(&mut self, now: Instant) {
        if now < self.last_sent + self.gather {
            return;
        }
        while let Some((when, slot)) = self.due.take_due(now) {
            let Some(Slot { stream: Some(stream), .. }) = self.slots[slot as usize].as_deref_mut() else { continue };
            // An entry of a stream that was stopped or started anew counts no more.
            if !stream.on || when != due_at(stream, stream.next) {
                continue;
            }
            let number = stream.next;
            let marker = number == stream.first;
            stream.next += 1;
            self.due.add(due_at(stream, stream.next), slot);
            self.late.add(now.saturating_duration_since(when));
            self.last_sent = now;
            let since_began = when.saturating_duration_since(self.began).as_millis() as u64;
            let rtp_timestamp = (since_began * SAMPLES_PER_MS) as u32;
            self.given(slot, now, |call| call.send(number, rtp_timestamp, marker, now));
        }
    }

    fn give_up_on_setups(&mut self, now: Instant) {
        while let Some((_, slot)) = self.setups.front().copied().filter(|(when, _)| *when <= now) {
            self.setups.pop_front();
            let up = self.stages(slot).is_none_or(|stages| stages.dtls_up.is_some());
            if !up {
                let detail = format!("not up {:?} after it was due", self.setup_timeout);
                self.end(slot);
                self.fail(slot, "setup_timeout", &detail);
            }
        }
    }

    /// Gives a call something, and takes what it has to say.
    fn given(&mut self, slot: u32, now: Instant, give: impl FnOnce(&mut Call) -> Result<(), RtcError>) {
        let Some(each) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        let (port, outbound, happened) = (&mut self.port, &mut self.outbound, &mut self.happened);
        let (envelope, client, delay) = (self.envelope, each.call.address, self.delay);
        let mut closed = false;
        let transmit = |destination: SocketAddr, datagram: &[u8]| {
            if delay.is_zero() {
                send(port, envelope, client, destination, datagram);
            } else {
                let held = Held { until: now + delay, slot, address: destination, datagram: datagram.to_vec() };
                outbound.push_back(held);
            }
        };
        let say = |said: Said| match said {
            Said::Up => happened.push(Happened::Up(slot)),
            Said::Echo(number) => happened.push(Happened::Heard { slot, number: Some(number), at: now }),
            Said::Audio => happened.push(Happened::Heard { slot, number: None, at: now }),
            Said::Closed => closed = true,
        };
        let wanted = give(&mut each.call).and_then(|()| each.call.drain(now, transmit, say));
        match wanted {
            Ok(_) if closed => {
                self.end(slot);
                self.fail(slot, "closed", "the server or ICE ended it");
            }
            Ok(timeout) => {
                each.timeout = timeout;
                if timeout < each.armed {
                    each.armed = timeout;
                    self.timers.add(timeout, slot);
                }
            }
            Err(error) => {
                self.end(slot);
                self.fail(slot, "session", &error.to_string());
            }
        }
    }

    fn fail(&mut self, slot: u32, reason: &str, detail: &str) {
        self.slots[slot as usize] = None;
        let (count, _) = self.failures.entry(reason.into()).or_insert_with(|| (0, detail.trim().into()));
        *count += 1;
        self.happened.push(Happened::Failed(slot));
    }

    /// When packet `number` of a call was due, and its place since the call last started; None of an earlier one.
    #[must_use]
    pub fn due_of(&self, slot: u32, number: u32) -> Option<(Instant, u32)> {
        let stream = self.slots[slot as usize].as_ref()?.stream.as_ref()?;
        let index = number.checked_sub(stream.first)?;
        Some((due_at(stream, number), index))
    }
}

fn due_at(stream: &Stream, number: u32) -> Instant {
    stream.origin + FRAME * (number - stream.first)
}

fn send(port: &mut Port, envelope: Envelope, client: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
    match envelope {
        Envelope::Plain(_) => port.queue(Some(client.ip()), destination, |bytes| bytes.extend_from_slice(datagram)),
        Envelope::Spp(transceiver) => port.queue(None, transceiver, |bytes| {
            envelope::encode(bytes, client, destination);
            bytes.extend_from_slice(datagram);
        }),
    }
}
