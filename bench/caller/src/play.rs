//! A run of calls that are opened, play, and end together; into their play a storm of others may arrive.
//!
//! ```text
//!  setup             settle   warm-up  steady           storm                    end
//!  ───────────────── ──────── ──────── ──────────────── ──────────────────────── ────
//!  each sends until  silence  all play, measured        others arrive as in      all
//!  one packet is     (memory)                           setup; measured again    hang up
//!  back
//! ```
//!
//! Events leave as JSON lines at the moments that they name, so that the reader can sample the server then.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::call::Stages;
use crate::figures::Times;
use crate::load::{FRAME, Happened, Load};
use crate::options::Options;
use crate::window::Window;

const SETTLE: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_secs(1);
/// How long the last packets of a window may take to come back.
const GRACE: Duration = Duration::from_millis(500);
const END_WITHIN: Duration = Duration::from_secs(20);

/// What is to be played.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Calls.
    pub calls: u32,
    /// How long they play.
    pub seconds: f64,
    /// Calls of the storm.
    pub storm_calls: u32,
    /// Arrivals per second of the storm.
    pub storm_rate: f64,
}

/// Says an event.
///
/// # Errors
/// Nobody reads any more.
pub fn say(event: &str, mut figures: Value) -> io::Result<()> {
    figures["event"] = event.into();
    let mut out = io::stdout().lock();
    writeln!(out, "{figures}")?;
    out.flush()
}

/// Plays it.
///
/// # Errors
/// The socket's, or nobody reads what is said.
pub fn play(options: &Options, plan: Plan) -> io::Result<()> {
    let mut player = Player::new(Load::open(options)?);
    say("ready", json!({"client_port": player.load.client_port()}))?;
    say("setup_begin", json!({}))?;
    let opened = player.open(plan.calls, options.rate)?;
    say("setup", setup_figures(&opened))?;
    player.turn_until(Instant::now() + SETTLE)?;
    say("settled", json!({"calls": player.up.len()}))?;

    let origins = player.start_all();
    player.turn_until(Instant::now() + WARM_UP)?;
    say("steady_begin", json!({}))?;
    player.open_window(plan.seconds, &origins);
    player.turn_until(Instant::now() + Duration::from_secs_f64(plan.seconds))?;
    player.close_window();
    say("steady_end", json!({}))?;

    let mut arrived = Vec::new();
    if plan.storm_calls > 0 {
        say("storm_begin", json!({}))?;
        let seconds = f64::from(plan.storm_calls) / plan.storm_rate;
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        player.open_window(seconds, &origins);
        arrived = player.open(plan.storm_calls, plan.storm_rate)?;
        player.turn_until(until)?;
        player.close_window();
        say("storm_end", json!({}))?;
    }
    player.turn_until(Instant::now() + GRACE)?;
    for (name, window) in ["steady", "storm"].iter().zip(&player.windows) {
        say(name, json!({"playing": window.figures(), "arriving": setup_figures(&arrived)}))?;
    }
    player.end()?;
    say("end", json!({"failures": player.load.failure_figures(), "unsent": player.load.unsent()}))
}

struct Player {
    load: Load,
    windows: Vec<Window>,
    /// Calls that send until one packet is back.
    probing: BTreeSet<u32>,
    /// Calls that are up.
    up: BTreeSet<u32>,
    /// Calls whose end the server has yet to confirm.
    ending: BTreeSet<u32>,
}

impl Player {
    fn new(load: Load) -> Self {
        let (probing, up, ending) = Default::default();
        Self { load, windows: Vec::new(), probing, up, ending }
    }

    /// Opens calls at a rate and waits until each has heard its first packet, or failed. Returns how far they got.
    fn open(&mut self, calls: u32, rate: f64) -> io::Result<Vec<Stages>> {
        let begin = Instant::now();
        let mut slots = Vec::new();
        for index in 0..calls {
            let due = begin + Duration::from_secs_f64(f64::from(index) / rate);
            self.turn_until(due)?;
            let slot = self.load.place(due);
            self.probing.insert(slot);
            slots.push(slot);
        }
        while !self.probing.is_empty() {
            self.turn_until(Instant::now() + FRAME)?;
        }
        Ok(slots.into_iter().filter_map(|slot| self.load.stages(slot)).collect())
    }

    /// Starts all calls that are up, spread evenly over the time of one packet. Returns when each starts.
    fn start_all(&mut self) -> Vec<(u32, Instant)> {
        let begin = Instant::now() + FRAME;
        let count = self.up.len().max(1) as u32;
        let spread = (0..).map(|index| begin + FRAME * index / count);
        let origins: Vec<_> = self.up.iter().copied().zip(spread).collect();
        for (slot, origin) in &origins {
            self.load.start(*slot, *origin);
        }
        origins
    }

    fn open_window(&mut self, seconds: f64, origins: &[(u32, Instant)]) {
        self.load.late = Times::default();
        let begin = Instant::now();
        let mut window = Window::new(begin, begin + Duration::from_secs_f64(seconds));
        for (slot, origin) in origins {
            window.watch(*slot, *origin);
        }
        self.windows.push(window);
    }

    fn close_window(&mut self) {
        if let Some(window) = self.windows.last_mut() {
            window.close(std::mem::take(&mut self.load.late));
        }
    }

    fn turn_until(&mut self, until: Instant) -> io::Result<()> {
        while Instant::now() < until {
            for each in self.load.turn(until)? {
                self.take(each);
            }
        }
        Ok(())
    }

    fn take(&mut self, happened: Happened) {
        match happened {
            Happened::Up(slot) => {
                self.up.insert(slot);
                self.load.start(slot, Instant::now());
            }
            Happened::Heard(slot, heard) => {
                let at = heard.packet.at;
                if self.probing.remove(&slot) {
                    self.load.stop(slot);
                }
                match heard.number.map(|number| self.load.due_of(slot, number)) {
                    Some(Some((due, index))) => {
                        self.windows.iter_mut().for_each(|each| each.heard(slot, due, index, at));
                    }
                    Some(None) => {}
                    None => self.windows.iter_mut().for_each(|each| each.heard_worker(at)),
                }
            }
            Happened::Failed(slot) => {
                self.probing.remove(&slot);
                self.up.remove(&slot);
                self.ending.remove(&slot);
            }
            Happened::Ended(slot) => {
                self.ending.remove(&slot);
            }
            Happened::Sent { .. } => {}
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.load.stop_all();
        self.ending = std::mem::take(&mut self.up);
        for slot in self.ending.clone() {
            self.load.end(slot);
        }
        let until = Instant::now() + END_WITHIN;
        while !self.ending.is_empty() && Instant::now() < until {
            self.turn_until(Instant::now() + FRAME)?;
        }
        Ok(())
    }
}

/// How long the stages of setup took, in microseconds: from when a call was due to its answer, from there on the rest.
#[must_use]
pub fn setup_figures(calls: &[Stages]) -> Value {
    let times = |of: &dyn Fn(&Stages) -> Option<Duration>| {
        let mut times = Times::default();
        calls.iter().filter_map(of).for_each(|time| times.add(time));
        times.figures()
    };
    let after_answer = |when: fn(&Stages) -> Option<Instant>| {
        times(&|call| Some(when(call)?.saturating_duration_since(call.answered?)))
    };
    json!({
        "calls": calls.len(),
        "answer_us": times(&|call| Some(call.answered?.saturating_duration_since(call.due))),
        "answer_to_stun_us": after_answer(|call| call.first_stun),
        "answer_to_dtls_us": after_answer(|call| call.dtls_up),
        "answer_to_media_us": after_answer(|call| call.first_media),
        "whole_us": times(&|call| Some(call.first_media?.saturating_duration_since(call.due))),
    })
}
