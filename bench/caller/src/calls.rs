//! A run of calls that arrive by a schedule fixed beforehand, say something, and leave; several processes share it.
//!
//! ```text
//!  "ready"     line on stdin             measured                       any line, or the end of stdin, ends it early
//!  ─────────── ─────────┬─────────────┬──────────────────────┬───────┬─────────
//!                       0   arrivals  measure_from_s  measure_to_s   grace   all hang up
//!                       "begin", then "second" by second             "end"
//! ```
//!
//! Call `i` of the run is due at `i / rate`, and belongs to process `i mod processes`. Nothing waits for anything: a call
//! that is slow to come up is counted from when it is up.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arrivals::Arrivals;
use crate::call::Heard;
use crate::cause::Cause;
use crate::ear::{Ear, Pauses};
use crate::figures::Times;
use crate::listener::{Listened, Listener};
use crate::load::{FRAME, Happened, Load};
use crate::options::{Options, Profile};
use crate::orders::Orders;
use crate::play::say;
use crate::seconds::Seconds;
use crate::speech::{Says, Speech};
use crate::totals::Totals;
use crate::turns::{Does, Measured, Turns};
use crate::window::own_cpu;

/// How long the last packets may take to come back.
const GRACE: Duration = Duration::from_secs(1);
/// The same of one call that leaves before the others.
const LEAVE_GRACE: Duration = Duration::from_millis(250);
/// How long it may take to hang up all calls, as long as the server answers.
const END_WITHIN: Duration = Duration::from_secs(20);
/// A server that has answered nothing for so long will not.
const END_STALLED: Duration = Duration::from_secs(3);

/// What this process has to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Calls of the run, of all processes together.
    pub calls: u32,
    /// That share it.
    pub processes: u32,
    /// Which of them this is, from 0.
    pub process: u32,
    /// What callers do.
    pub profile: Profile,
    /// From when on packets count, after the beginning.
    pub measure_from: Duration,
    /// Until when they do.
    pub measure_to: Duration,
    /// How long a call stays, once up; None: until the end.
    pub hold: Option<Duration>,
    /// The jitter buffer of callers.
    pub ear_buffer: Duration,
    /// In what so many of them hear, marks are looked for.
    pub listeners: u32,
}

/// Runs it.
///
/// # Errors
/// The socket's; libopus is built wrongly; or nobody reads what is said.
pub fn calls(options: &Options, plan: Plan) -> io::Result<()> {
    let mut load = Load::open(options)?;
    let speech = Speech::encode().map_err(|error| io::Error::other(error.message()))?;
    load.teach(speech, plan.profile == Profile::Echo);
    let orders = Orders::listen()?;
    say("ready", json!({"client_port": load.client_port()}))?;
    if !orders.wait() {
        return Ok(());
    }
    let mut crowd = Crowd::new(load, plan, options.rate)?;
    say("begin", json!({}))?;
    let interrupted = crowd.run(&orders)?;
    crowd.end(interrupted)
}

/// One caller, from when it may speak.
struct Caller {
    /// When its first packet was due.
    origin: Instant,
    /// Of who talks with somebody.
    turns: Option<Turns>,
    ear: Ear,
    arrivals: Arrivals,
    /// Of its packets that came back in the measured time.
    round_trips: (Duration, u32),
    leaves: Option<Instant>,
    over: bool,
}

struct Crowd {
    load: Load,
    plan: Plan,
    rate: f64,
    begin: Instant,
    from: Instant,
    to: Instant,
    measuring: bool,
    placed: u32,
    /// By slot; None of a call that may not speak yet.
    callers: Vec<Option<Caller>>,
    up: usize,
    seconds: Seconds,
    cpu: (Instant, Duration),
    totals: Totals,
    listener: Option<Listener>,
}

impl Crowd {
    fn new(mut load: Load, plan: Plan, rate: f64) -> io::Result<Self> {
        let begin = Instant::now();
        load.late = Times::default();
        let (from, to) = (begin + plan.measure_from, begin + plan.measure_to);
        let marks = plan.listeners > 0 && plan.profile == Profile::Echo;
        let listener = marks.then(|| Listener::start(plan.ear_buffer, from, to)).transpose()?;
        Ok(Self {
            load,
            plan,
            rate,
            begin,
            from,
            to,
            measuring: false,
            placed: 0,
            callers: Vec::new(),
            up: 0,
            seconds: Seconds::new(begin),
            cpu: (begin, own_cpu()),
            totals: Totals::default(),
            listener,
        })
    }

    /// Returns whether it was stopped early.
    fn run(&mut self, orders: &Orders) -> io::Result<bool> {
        loop {
            let now = Instant::now();
            if orders.stop() {
                self.to = self.to.min(now);
                self.turn_until(now + GRACE)?;
                return Ok(true);
            }
            if now >= self.to {
                self.await_stragglers()?;
                return Ok(false);
            }
            if self.is_hopeless() {
                self.to = self.to.min(now);
                return Ok(false);
            }
            if !self.measuring && now >= self.from {
                self.begin_measuring();
            }
            self.place_due(now);
            self.take_turns(now);
            self.take_leave(now);
            self.tell(now)?;
            let next = [self.to, self.seconds.next(), now + FRAME, self.next_due().unwrap_or(self.to)];
            self.turn(next.into_iter().min().unwrap_or(now))?;
        }
    }

    /// All calls have failed before they were up: nobody is left, here or in another process, and nobody will come.
    fn is_hopeless(&self) -> bool {
        let all_are_mine = self.plan.processes == 1 && self.placed == self.plan.calls;
        all_are_mine && self.totals.up == 0 && self.callers.iter().all(Option::is_none) && self.load.setting_up() == 0
    }

    /// The last packets may come back, and who was due in time may still come up.
    fn await_stragglers(&mut self) -> io::Result<()> {
        self.turn_until(self.to + GRACE)?;
        while self.load.setting_up() > 0 {
            self.turn(Instant::now() + FRAME)?;
        }
        Ok(())
    }

    fn begin_measuring(&mut self) {
        self.measuring = true;
        self.load.late = Times::default();
        self.callers.iter_mut().flatten().for_each(|caller| caller.ear.count_anew());
    }

    fn next_due(&self) -> Option<Instant> {
        let index = self.placed * self.plan.processes + self.plan.process;
        (index < self.plan.calls).then(|| self.begin + Duration::from_secs_f64(f64::from(index) / self.rate))
    }

    fn place_due(&mut self, now: Instant) {
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            self.load.place(due);
            self.callers.push(None);
            self.placed += 1;
        }
    }

    fn take_leave(&mut self, now: Instant) {
        if self.plan.hold.is_none() {
            return;
        }
        for slot in 0..self.callers.len() {
            let Some(Caller { leaves: Some(leaves), over: false, .. }) = self.callers[slot] else { continue };
            if leaves <= now {
                self.load.stop(slot as u32);
            }
            // Its last packets may come back first.
            if leaves + LEAVE_GRACE <= now {
                self.hang_up(slot as u32, now);
            }
        }
    }

    fn hang_up(&mut self, slot: u32, now: Instant) {
        self.caller_is_over(slot, now);
        self.load.stop(slot);
        self.load.end(slot);
    }

    fn tell(&mut self, now: Instant) -> io::Result<()> {
        self.seconds.active(now, self.up);
        let told = self.seconds.tell(now);
        self.say_seconds(told, now)
    }

    fn say_seconds(&mut self, seconds: Vec<Value>, now: Instant) -> io::Result<()> {
        if seconds.is_empty() {
            return Ok(());
        }
        let (at, used) = self.cpu;
        self.cpu = (now, own_cpu());
        let share = self.cpu.1.saturating_sub(used).as_secs_f64() / (now - at).as_secs_f64().max(f64::EPSILON);
        for mut second in seconds {
            second["cpu_share_of_core"] = json!(share);
            say("second", second)?;
        }
        Ok(())
    }

    fn turn_until(&mut self, until: Instant) -> io::Result<()> {
        while Instant::now() < until {
            self.turn(until)?;
        }
        Ok(())
    }

    fn turn(&mut self, until: Instant) -> io::Result<()> {
        for each in self.load.turn(until)? {
            self.take(each);
        }
        Ok(())
    }

    fn take(&mut self, happened: Happened) {
        match happened {
            Happened::Up(slot) => self.may_speak(slot, Instant::now()),
            Happened::Sent { due, .. } => {
                self.seconds.sent(due);
                self.totals.sent += u64::from(self.measured(due));
            }
            Happened::Heard(slot, heard) => self.heard(slot, &heard),
            Happened::Failed(slot) => {
                let now = Instant::now();
                self.seconds.failed(now);
                if self.caller_is_over(slot, now) {
                    self.totals.lost += 1;
                    self.seconds.lost(now);
                }
            }
            Happened::Ended(_) => {}
        }
    }

    fn may_speak(&mut self, slot: u32, now: Instant) {
        self.load.start(slot, now);
        let profile = self.plan.profile;
        self.load.say(slot, |_| if profile == Profile::Echo { Says::Marked } else { Says::Silence });
        let turns = match profile {
            Profile::Echo => None,
            Profile::Conversation => Some(Turns::new(now, false)),
            Profile::BargeIn => Some(Turns::new(now, true)),
        };
        let pauses = if profile == Profile::Echo { Pauses::Felt } else { Pauses::OnPurpose };
        self.callers[slot as usize] = Some(Caller {
            origin: now,
            turns,
            ear: Ear::new(self.plan.ear_buffer, pauses),
            arrivals: Arrivals::default(),
            round_trips: (Duration::ZERO, 0),
            leaves: None,
            over: false,
        });
        if profile != Profile::Echo {
            // Nothing is to be heard before the first answer.
            self.came_up(slot, now);
        }
    }

    /// Who talks with somebody does what it is time for.
    fn take_turns(&mut self, now: Instant) {
        for slot in 0..self.callers.len() {
            let Some(Caller { turns: Some(turns), over: false, .. }) = &mut self.callers[slot] else { continue };
            let (does, measured) = turns.tick(now);
            if let Some(measured) = measured {
                self.measure(measured);
            }
            match does {
                Some(Does::Speak) => self.speak(slot as u32),
                Some(Does::GiveUp) => self.give_up(slot as u32, now),
                None => {}
            }
        }
    }

    fn speak(&mut self, slot: u32) {
        let frames = self.load.speech().map_or(0, |speech| speech.sentence.len()) as u32;
        let Some((_, begins)) = self.load.say(slot, Says::Sentence) else { return };
        if let Some(Caller { turns: Some(turns), .. }) = &mut self.callers[slot as usize] {
            turns.speaks(begins, begins + FRAME * frames);
        }
    }

    fn give_up(&mut self, slot: u32, now: Instant) {
        self.hang_up(slot, now);
        self.load.fail(slot, Cause::NoAnswer, "no answer within ten seconds of the end of what it said");
    }

    fn measure(&mut self, measured: Measured) {
        match measured {
            Measured::FirstAudio(at, time) if self.measured(at) => self.totals.first_audio.add(time),
            Measured::Interruption(at, time) if self.measured(at) => self.totals.interruption.add(time),
            _ => {}
        }
    }

    fn heard(&mut self, slot: u32, heard: &Heard) {
        let at = heard.packet.at;
        let echo = heard.number.and_then(|number| self.load.due_of(slot, number));
        let measured = echo.is_some_and(|(due, _)| self.measured(due));
        let first = self.callers[slot as usize].as_ref().is_some_and(|caller| caller.leaves.is_none() && !caller.over);
        if first {
            self.came_up(slot, at);
        }
        let Some(caller) = self.callers[slot as usize].as_mut().filter(|caller| !caller.over) else { return };
        let (skipped, gap) = caller.ear.hear(heard.packet);
        self.seconds.arrived(at, skipped);
        if let Some(gap) = gap {
            self.seconds.gap(slot, gap);
        }
        let answered = match &mut caller.turns {
            // What comes back of one's own voice is no answer.
            Some(turns) if heard.number.is_none() && heard.is_audible() => turns.hears(at),
            _ => None,
        };
        let origin = caller.origin;
        if let Some(answered) = answered {
            self.measure(answered);
        }
        if let Some(listener) = self.listener.as_ref().filter(|_| slot < self.plan.listeners) {
            listener.hear(Listened { slot, origin, packet: heard.packet, payload: heard.payload.clone() });
        }
        let Some((due, index)) = echo else { return };
        let Some(caller) = self.callers[slot as usize].as_mut() else { return };
        let round_trip = at.saturating_duration_since(due);
        self.seconds.echoed(due, round_trip);
        if measured && caller.arrivals.arrived(index, at) {
            self.totals.round_trip.add(round_trip);
            caller.round_trips.0 += round_trip;
            caller.round_trips.1 += 1;
        }
    }

    /// It has heard its first packet.
    fn came_up(&mut self, slot: u32, at: Instant) {
        let Some(stages) = self.load.stages(slot) else { return };
        self.totals.set_up(&stages);
        self.up += 1;
        self.totals.most_at_once = self.totals.most_at_once.max(self.up);
        self.seconds.set_up(at);
        let Some(caller) = self.callers[slot as usize].as_mut() else { return };
        let stays = |hold: Duration| at + hold.saturating_sub(LEAVE_GRACE);
        caller.leaves = Some(self.plan.hold.map_or(self.to + END_WITHIN, stays));
    }

    fn measured(&self, due: Instant) -> bool {
        due >= self.from && due < self.to
    }

    /// Takes its figures. True if it had been up.
    fn caller_is_over(&mut self, slot: u32, now: Instant) -> bool {
        let Some(caller) = self.callers[slot as usize].as_mut().filter(|caller| !caller.over) else { return false };
        caller.over = true;
        if caller.leaves.is_none() {
            return false;
        }
        self.up -= 1;
        let spoke_until = caller.leaves.map_or(self.to, |leaves| leaves.min(self.to));
        // A model may well be silent at the end.
        if let Some(gap) = caller.turns.is_none().then(|| caller.ear.end(now.min(spoke_until))).flatten() {
            self.seconds.gap(slot, gap);
        }
        let (sum, count) = caller.round_trips;
        self.totals.take(&caller.ear, &caller.arrivals, sum.checked_div(count), self.plan.ear_buffer);
        true
    }

    /// Every call is known to be over to the server, or that does not answer.
    fn await_server(&mut self, begin: Instant) -> io::Result<()> {
        let mut pending = self.load.requests_pending();
        let mut answered = begin;
        while pending > 0 {
            let now = Instant::now();
            if now > (answered + END_STALLED).min(begin + END_WITHIN) {
                break;
            }
            self.turn(now + FRAME)?;
            let left = self.load.requests_pending();
            if left != pending {
                (pending, answered) = (left, Instant::now());
            }
        }
        Ok(())
    }

    fn end(mut self, interrupted: bool) -> io::Result<()> {
        let now = Instant::now();
        let cut_off = self.load.setting_up();
        self.load.stop_all();
        for slot in 0..self.callers.len() as u32 {
            self.hang_up(slot, now);
        }
        let rest = self.seconds.tell_rest(self.to);
        self.say_seconds(rest, now)?;
        self.await_server(now)?;
        let mut broken = Vec::new();
        match self.listener.take().map(Listener::finish) {
            Some(Ok(times)) => self.totals.mouth_to_ear = times,
            Some(Err(why)) => broken.push(format!("who listens for marks is gone: {why}")),
            None => {}
        }
        let mut figures = self.totals.figures();
        figures["broken"] = broken.into();
        figures["interrupted"] = interrupted.into();
        figures["measured_s"] = self.to.saturating_duration_since(self.from).as_secs_f64().into();
        figures["calls"]["begun"] = self.placed.into();
        figures["calls"]["cut_off"] = cut_off.into();
        figures["failures"] = self.load.failure_figures();
        figures["packets"]["unsent"] = self.load.unsent().into();
        figures["histograms"]["generator_late"] = self.load.late.base64().into();
        figures["histograms"]["generator_offers_late"] = self.load.offers_late.base64().into();
        say("end", figures)
    }
}
