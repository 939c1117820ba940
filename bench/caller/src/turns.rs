//! What a caller does who talks with somebody: speaks, waits for the answer, listens, or interrupts it. Sans-IO.
//!
//! ```text
//!            Speak             answer heard            quiet for 700 ms
//!  Pauses ──────────▶ Awaits ────────────▶ Listens ────────────────────▶ Pauses
//!                       │ ▲                   │ after a second of it, if it interrupts: Speak
//!                       │ └──────────── Interrupts
//!                       ▼      quiet for 400 ms
//!                     GiveUp, when nothing has come for ten seconds
//! ```

use std::time::{Duration, Instant};

use crate::load::FRAME;

const THINKS: Duration = Duration::from_secs(1);
const ANSWER_IS_OVER: Duration = Duration::from_millis(700);
const HAS_STOPPED: Duration = Duration::from_millis(400);
const INTERRUPTS_AFTER: Duration = Duration::from_secs(1);
const GIVES_UP_AFTER: Duration = Duration::from_secs(10);

/// What the caller does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Says the sentence; [`Turns::speaks`] is to be told when.
    Speak,
    /// Hangs up: there was no answer.
    GiveUp,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// From the end of the sentence, at this time, to the first audio of its answer.
    FirstAudio(Instant, Duration),
    /// From the first word, at this time, to when the answer that it interrupted fell silent.
    Interruption(Instant, Duration),
}

#[derive(Debug, Clone, Copy)]
enum State {
    Pauses { until: Instant },
    Awaits { spoken_at: Instant },
    Listens { since: Instant, heard_at: Instant },
    Interrupts { since: Instant, spoken_at: Instant, heard_at: Instant },
}

/// See the module.
#[derive(Debug)]
pub struct Turns {
    interrupts: bool,
    state: State,
}

impl Turns {
    /// A caller who is up now. Who interrupts does so once in every answer that lasts long enough.
    #[must_use]
    pub fn new(now: Instant, interrupts: bool) -> Self {
        Self { interrupts, state: State::Pauses { until: now + THINKS } }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> (Option<Does>, Option<Measured>) {
        match self.state {
            State::Pauses { until } if now >= until => (Some(Does::Speak), None),
            State::Awaits { spoken_at } if now >= spoken_at + GIVES_UP_AFTER => (Some(Does::GiveUp), None),
            State::Listens { heard_at, .. } if now >= heard_at + ANSWER_IS_OVER => {
                self.state = State::Pauses { until: now + THINKS };
                (None, None)
            }
            State::Listens { since, .. } if self.interrupts && now >= since + INTERRUPTS_AFTER => {
                (Some(Does::Speak), None)
            }
            State::Interrupts { since, spoken_at, heard_at } if now >= heard_at + HAS_STOPPED => {
                self.state = State::Awaits { spoken_at };
                let took = heard_at.checked_duration_since(since);
                (None, took.map(|took| Measured::Interruption(since, took)))
            }
            _ => (None, None),
        }
    }

    /// The sentence begins and ends then.
    pub fn speaks(&mut self, begins: Instant, ends: Instant) {
        self.state = match self.state {
            State::Listens { heard_at, .. } => State::Interrupts { since: begins, spoken_at: ends, heard_at },
            _ => State::Awaits { spoken_at: ends },
        };
    }

    /// Audible audio came that the other side made.
    pub fn hears(&mut self, at: Instant) -> Option<Measured> {
        match &mut self.state {
            State::Awaits { spoken_at } if at + FRAME >= *spoken_at => {
                let spoken_at = *spoken_at;
                self.state = State::Listens { since: at, heard_at: at };
                Some(Measured::FirstAudio(spoken_at, at.saturating_duration_since(spoken_at)))
            }
            State::Listens { heard_at, .. } | State::Interrupts { heard_at, .. } => {
                *heard_at = at;
                None
            }
            _ => None,
        }
    }
}
