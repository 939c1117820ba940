//! A run of calls that come and go: each is opened, echoes one packet, and is ended. For what they leave behind.

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::load::{FRAME, Happened, Load};
use crate::options::Options;
use crate::play::say;

const SETTLE: Duration = Duration::from_secs(1);

/// Opens and ends calls at the rate; at each checkpoint pauses with none open until a line comes on standard input.
///
/// # Errors
/// The socket's, or nobody reads what is said.
pub fn churn(options: &Options, checkpoints: &[u32], concurrent: u32) -> io::Result<()> {
    let mut load = Load::open(options)?;
    say("ready", json!({"client_port": load.client_port()}))?;
    let mut lines = io::stdin().lock().lines();
    let mut opened = 0;
    for checkpoint in checkpoints {
        let mut open = BTreeSet::new();
        let mut due = Instant::now();
        while opened < *checkpoint || !open.is_empty() {
            let now = Instant::now();
            if opened < *checkpoint && open.len() < concurrent as usize && due <= now {
                open.insert(load.place(now));
                opened += 1;
                due += Duration::from_secs_f64(1.0 / options.rate);
                continue;
            }
            let until = if opened < *checkpoint && due > now { due } else { now + FRAME };
            for each in load.turn(until)? {
                match each {
                    Happened::Up(slot) => {
                        load.start(slot, Instant::now());
                    }
                    Happened::Heard(slot, _) => {
                        load.stop(slot);
                        load.end(slot);
                    }
                    Happened::Failed(slot) | Happened::Ended(slot) => {
                        open.remove(&slot);
                    }
                    Happened::Sent { .. } => {}
                }
            }
        }
        std::thread::sleep(SETTLE);
        let failed: u64 = load.failures.values().map(|(count, _)| count).sum();
        say("checkpoint", json!({"calls": opened, "failed": failed}))?;
        if lines.next().transpose()?.is_none() {
            break;
        }
    }
    say("end", json!({"failures": load.failure_figures(), "unsent": load.unsent()}))
}
