//! Which checks are worth an HMAC, and which may make a flow: the twin of `relay/engine/admission.py`, which draws the
//! way of a check and says what collisions cost. Sans-I/O; one thread's.

use super::flow_table::FlowKey;
use super::keyed_hash::{place, KeyedHash};
use super::source::SourcePrefix;
use super::Millis;
use crate::wire::drop_reason::DropReason;

const CHECK_BURST_S: f64 = 1.0;
const NEW_FLOW_BURST_S: f64 = 5.0;
const SUSPICION_BURST: Millis = 10_000;
const SUSPECT_BUCKETS: usize = 65_536;
const KEPT_FROM_SUSPECTS: f64 = 0.5;

/// What strangers may cost; see the fields of Python's `relay.engine.limits.AdmissionLimits` that have these names.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Flows of one source.
    pub max_flows_per_source: u32,
    /// Of all threads together.
    pub new_flows_per_s: f64,
    /// Of each thread.
    pub unproven_checks_per_s: f64,
    /// Of each thread.
    pub proven_checks_per_s: f64,
    /// At most 1,000.
    pub suspect_checks_per_s: u32,
    /// What is one source.
    pub source: SourcePrefix,
}

/// Shares that are left of each budget, 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Budgets {
    /// Of checks without a flow to the transceiver that they name.
    pub unproven_checks: f64,
    /// Of those with one.
    pub proven_checks: f64,
    /// Of flows that checks make.
    pub new_flows: f64,
}

/// A token bucket, full at first.
pub struct Budget {
    per_milli: f64,
    capacity: f64,
    tokens: f64,
    filled_at: Millis,
}

impl Budgets {
    /// Of a thread that takes nothing from them any more.
    pub const FULL: Self = Self { unproven_checks: 1.0, proven_checks: 1.0, new_flows: 1.0 };
}

impl Budget {
    /// Holds so many seconds' worth, and one token at least.
    #[must_use]
    pub fn new(per_s: f64, burst_s: f64) -> Self {
        let capacity = (per_s * burst_s).max(1.0);
        Self { per_milli: per_s / 1000.0, capacity, tokens: capacity, filled_at: 0 }
    }

    /// Takes a token; false if less than the share `keep` of all would be left.
    pub fn take(&mut self, now: Millis, keep: f64) -> bool {
        self.fill(now);
        let enough = self.tokens - 1.0 >= keep * self.capacity;
        self.tokens -= f64::from(u8::from(enough));
        enough
    }

    /// The share that is left, 0 to 1.
    pub fn left(&mut self, now: Millis) -> f64 {
        self.fill(now);
        self.tokens / self.capacity
    }

    fn fill(&mut self, now: Millis) {
        let elapsed = now.wrapping_sub(self.filled_at);
        self.tokens = (self.tokens + f64::from(elapsed) * self.per_milli).min(self.capacity);
        self.filled_at = now;
    }
}

/// A leaky bucket for each of very many senders, in fixed memory. A bucket is the time when its debt is settled.
struct Suspects {
    cost: Millis,
    settled_at: Box<[Millis]>,
}

impl Suspects {
    fn new(per_s: u32) -> Self {
        Self { cost: 1000 / per_s.clamp(1, 1000), settled_at: vec![0; SUSPECT_BUCKETS].into_boxed_slice() }
    }

    /// One more of what makes suspect.
    fn charge(&mut self, sender: u64, now: Millis) {
        let debt = (self.debt(sender, now) + self.cost).min(SUSPICION_BURST);
        self.settled_at[place(sender, SUSPECT_BUCKETS)] = now.wrapping_add(debt);
    }

    /// Whether the sender is over its rate.
    fn has(&self, sender: u64, now: Millis) -> bool {
        self.debt(sender, now) > SUSPICION_BURST - self.cost
    }

    fn debt(&self, sender: u64, now: Millis) -> Millis {
        let debt = self.settled_at[place(sender, SUSPECT_BUCKETS)].wrapping_sub(now);
        // What looks like more was settled long ago.
        if debt <= SUSPICION_BURST {
            debt
        } else {
            0
        }
    }
}

/// One thread's admission.
pub struct Admission {
    hash: KeyedHash,
    source: SourcePrefix,
    unproven: Budget,
    proven: Budget,
    new_flows: Budget,
    suspects: Suspects,
}

impl Admission {
    /// Of one of so many threads.
    #[must_use]
    pub fn new(limits: &Limits, threads: u32) -> Self {
        Self {
            hash: KeyedHash::new(),
            source: limits.source,
            unproven: Budget::new(limits.unproven_checks_per_s, CHECK_BURST_S),
            proven: Budget::new(limits.proven_checks_per_s, CHECK_BURST_S),
            new_flows: Budget::new(limits.new_flows_per_s / f64::from(threads.max(1)), NEW_FLOW_BURST_S),
            suspects: Suspects::new(limits.suspect_checks_per_s),
        }
    }

    /// Errors if a check's integrity is not worth computing now.
    pub fn admit_check(&mut self, key: &FlowKey, proven: bool, now: Millis) -> Result<(), DropReason> {
        let sender = if proven { self.five_tuple(key) } else { self.source(key) };
        let suspect = self.suspects.has(sender, now);
        let keep = if suspect { KEPT_FROM_SUSPECTS } else { 0.0 };
        let budget = if proven { &mut self.proven } else { &mut self.unproven };
        if !budget.take(now, keep) {
            return Err(if suspect { DropReason::RateLimited } else { DropReason::CheckBudget });
        }
        if proven {
            // Right or wrong: a client needs few, and whoever sends many on one five-tuple harms the other calls.
            self.suspects.charge(sender, now);
        }
        Ok(())
    }

    /// The integrity was computed and is wrong.
    pub fn check_failed(&mut self, key: &FlowKey, proven: bool, now: Millis) {
        if !proven {
            self.suspects.charge(self.source(key), now);
        }
    }

    /// Errors if a verified check may not make a flow now.
    pub fn admit_flow(&mut self, now: Millis) -> Result<(), DropReason> {
        self.new_flows.take(now, 0.0).then_some(()).ok_or(DropReason::NewFlowBudget)
    }

    /// What is left.
    pub fn budgets(&mut self, now: Millis) -> Budgets {
        Budgets {
            unproven_checks: self.unproven.left(now),
            proven_checks: self.proven.left(now),
            new_flows: self.new_flows.left(now),
        }
    }

    fn source(&self, key: &FlowKey) -> u64 {
        self.hash.of(self.source.of(&key.client), 0)
    }

    fn five_tuple(&self, key: &FlowKey) -> u64 {
        // One more, so that no five-tuple has its source's place.
        self.hash.of(key.client.host, (u64::from(key.client.port) << 16 | u64::from(key.proxy)) + 1)
    }
}
