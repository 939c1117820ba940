//! The event loop: all callers on one socket, woken for what arrives, what is due, and what signalling has done.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use str0m::RtcError;
use str0m::config::DtlsCert;

use crate::call::{Call, Heard, Said, Stages};
use crate::cause::Cause;
use crate::figures::Times;
use crate::options::Options;
use crate::schedule::{Rounds, Schedule};
use crate::signalling::{Done, Signalling};
use crate::speech::{Says, Speech};
use crate::wire::Wire;

/// Spacing of packets.
pub const FRAME: Duration = Duration::from_millis(20);
const SAMPLES_PER_MS: u64 = 48;
const BATCHES_PER_TURN: usize = 4;

/// What a run wants to know of.
#[derive(Debug, Clone)]
pub enum Happened {
    /// DTLS is up.
    Up(u32),
    /// This caller heard something.
    Heard(u32, Heard),
    /// A packet left.
    Sent {
        /// Whose.
        slot: u32,
        /// When it was due.
        due: Instant,
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
    says: Says,
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
    wire: Wire,
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
    speech: Option<Speech>,
    /// Whether a call that is up must hear something for its setup to be over.
    must_hear: bool,
    /// Calls that failed, by cause, with what the first of each said.
    pub failures: BTreeMap<Cause, (u64, String)>,
    /// How late packets left, since somebody last took this.
    pub late: Times,
    /// How late offers were posted.
    pub offers_late: Times,
}

impl Load {
    /// Opens socket and signalling.
    ///
    /// # Errors
    /// The kernel's; a URL that is not `http://`.
    pub fn open(options: &Options) -> io::Result<Self> {
        let provider = str0m::crypto::from_feature_flags();
        let certificate =
            provider.dtls_provider.generate_certificate().ok_or_else(|| io::Error::other("no DTLS certificate"))?;
        let now = Instant::now();
        Ok(Self {
            wire: Wire::open(options)?,
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
            speech: None,
            must_hear: true,
            failures: BTreeMap::new(),
            late: Times::default(),
            offers_late: Times::default(),
        })
    }

    /// Gives callers something to say; `must_hear` is whether one who is up must also hear something in time.
    pub fn teach(&mut self, speech: Speech, must_hear: bool) {
        (self.speech, self.must_hear) = (Some(speech), must_hear);
    }

    /// What there is to say; None where nothing was taught.
    #[must_use]
    pub fn speech(&self) -> Option<&Speech> {
        self.speech.as_ref()
    }

    /// From its next packet on the caller says this. Returns the number of that packet, and when it is due.
    pub fn say(&mut self, slot: u32, says: impl FnOnce(u32) -> Says) -> Option<(u32, Instant)> {
        let each = self.slots[slot as usize].as_deref_mut()?;
        let stream = each.stream.as_ref()?;
        each.says = says(stream.next);
        Some((stream.next, due_at(stream, stream.next)))
    }

    /// Failures as they are said: by cause, how many, and what the first was told.
    #[must_use]
    pub fn failure_figures(&self) -> Value {
        let figure = |(cause, (count, first)): (&Cause, &(u64, String))| {
            (cause.name().to_owned(), json!({"count": count, "first": first}))
        };
        self.failures.iter().map(figure).collect::<serde_json::Map<_, _>>().into()
    }

    /// Calls that are neither up nor failed yet.
    #[must_use]
    pub fn setting_up(&self) -> usize {
        self.setups.iter().filter(|(_, slot)| self.is_setting_up(*slot)).count()
    }

    fn is_setting_up(&self, slot: u32) -> bool {
        let last = |stages: Stages| if self.must_hear { stages.first_media } else { stages.dtls_up };
        self.stages(slot).is_some_and(|stages| last(stages).is_none())
    }

    /// Requests to the server that it has not answered yet.
    #[must_use]
    pub fn requests_pending(&self) -> usize {
        self.signalling.pending()
    }

    /// Port of the load's own socket.
    #[must_use]
    pub fn client_port(&self) -> u16 {
        self.wire.client_port()
    }

    /// Datagrams that the kernel did not take from us.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.wire.unsent()
    }

    /// Places a call that was due at `due`. Returns its slot; slots count from 0 and are never reused.
    pub fn place(&mut self, due: Instant) -> u32 {
        let slot = u32::try_from(self.slots.len()).expect("a million calls at most");
        let offered = self.wire.add(slot).map_err(|error| error.to_string()).and_then(|address| {
            Call::offer(address, &self.certificate, self.mark, due).map_err(|error| error.to_string())
        });
        match offered {
            Ok((call, offer)) => {
                let never = due + Duration::from_secs(86_400);
                let placed = Slot { call, says: Says::Filler, stream: None, timeout: never, armed: never };
                self.slots.push(Some(Box::new(placed)));
                self.setups.push_back((due + self.setup_timeout, slot));
                self.signalling.open(slot, offer, due);
            }
            Err(error) => {
                self.slots.push(None);
                self.fail(slot, Cause::Generator, &error);
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
        self.wire.remove(slot);
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
        self.wire.flush();
        Ok(std::mem::take(&mut self.happened))
    }

    fn wait(&self, until: Instant) -> io::Result<()> {
        let packets = self.due.next().map(|when| when.max(self.last_sent + self.gather));
        let held = self.inbound.front().into_iter().chain(self.outbound.front()).map(|held| held.until).min();
        let setups = self.setups.front().map(|(when, _)| *when);
        let next = [packets, self.timers.next(), held, setups].into_iter().flatten().min();
        let wait = next.map_or(until, |next| next.min(until)).saturating_duration_since(Instant::now());
        let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
        let mut ready =
            [PollFd::new(&self.wire, PollFlags::IN), PollFd::from_borrowed_fd(self.signalling.woken(), PollFlags::IN)];
        match poll(&mut ready, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn receive(&mut self) -> io::Result<bool> {
        let delay = self.delay;
        let mut arrived = std::mem::take(&mut self.inbound);
        let until = Instant::now() + delay;
        let any = self.wire.receive(|slot, source, datagram| {
            arrived.push_back(Held { until, slot, address: source, datagram: datagram.to_vec() });
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
            self.wire.send(held.slot, held.address, &held.datagram);
        }
    }

    fn take_answers(&mut self) {
        let done: Vec<Done> = self.signalling.take_done().collect();
        for each in done {
            match each {
                Done::Opened { slot, location, answer, at, late } => {
                    self.offers_late.add(late);
                    if let Some(opened) = &mut self.slots[slot as usize] {
                        opened.call.location = Some(location);
                    } else {
                        // It gave up meanwhile; the server must not keep it.
                        self.signalling.end(slot, location);
                    }
                    self.accept(slot, &answer, at);
                }
                Done::Refused { slot, cause, detail } => self.fail(slot, cause, &detail),
                Done::Ended { slot } => self.happened.push(Happened::Ended(slot)),
            }
        }
    }

    fn accept(&mut self, slot: u32, answer: &str, at: Instant) {
        let mut fault = None;
        self.given(slot, at, |call| {
            fault = call.accept(answer, at).err();
            Ok(())
        });
        if let Some(fault) = fault {
            self.end(slot);
            self.fail(slot, Cause::BadAnswer, &fault.to_string());
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
            self.happened.push(Happened::Sent { slot, due: when });
            self.send(slot, number, rtp_timestamp, marker, now);
        }
    }

    fn send(&mut self, slot: u32, number: u32, rtp_timestamp: u32, marker: bool, now: Instant) {
        // Taken out for the time of the call, which needs the whole load.
        let speech = self.speech.take();
        let says = self.slots[slot as usize].as_deref().map_or(Says::Filler, |each| each.says);
        let frame = speech.as_ref().and_then(|speech| speech.frame(says, number));
        self.given(slot, now, |call| call.send(number, frame, rtp_timestamp, marker, now));
        self.speech = speech;
    }

    fn give_up_on_setups(&mut self, now: Instant) {
        while let Some((_, slot)) = self.setups.front().copied().filter(|(when, _)| *when <= now) {
            self.setups.pop_front();
            if !self.is_setting_up(slot) {
                continue;
            }
            let Some(stages) = self.stages(slot) else { continue };
            let detail = format!("not up {:?} after it was due", self.setup_timeout);
            self.end(slot);
            self.fail(slot, Cause::of_setup(&stages), &detail);
        }
    }

    /// Gives a call something, and takes what it has to say.
    fn given(&mut self, slot: u32, now: Instant, give: impl FnOnce(&mut Call) -> Result<(), RtcError>) {
        let Some(each) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        let (wire, outbound, happened) = (&mut self.wire, &mut self.outbound, &mut self.happened);
        let delay = self.delay;
        let mut over = None;
        let transmit = |destination: SocketAddr, datagram: &[u8]| {
            if delay.is_zero() {
                wire.send(slot, destination, datagram);
            } else {
                let held = Held { until: now + delay, slot, address: destination, datagram: datagram.to_vec() };
                outbound.push_back(held);
            }
        };
        let say = |said: Said| match said {
            Said::Up => happened.push(Happened::Up(slot)),
            Said::Heard(heard) => happened.push(Happened::Heard(slot, heard)),
            Said::Lost => over = Some((Cause::ConnectionLost, "STUN checks go unanswered")),
            Said::Closed => over = over.or(Some((Cause::ClosedByTarget, "DTLS close_notify"))),
        };
        let wanted = give(&mut each.call).and_then(|()| each.call.drain(now, transmit, say));
        match wanted {
            Ok(timeout) => {
                if let Some((cause, detail)) = over {
                    self.end(slot);
                    self.fail(slot, cause, detail);
                    return;
                }
                each.timeout = timeout;
                if timeout < each.armed {
                    each.armed = timeout;
                    self.timers.add(timeout, slot);
                }
            }
            Err(error) => {
                self.end(slot);
                self.fail(slot, Cause::ClosedByTarget, &error.to_string());
            }
        }
    }

    /// A call has failed, and is over.
    pub fn fail(&mut self, slot: u32, cause: Cause, detail: &str) {
        self.slots[slot as usize] = None;
        let (count, _) = self.failures.entry(cause).or_insert_with(|| (0, detail.trim().into()));
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
