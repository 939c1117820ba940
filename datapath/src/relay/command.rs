//! What the control plane tells a thread, and in what steps it is done.
//!
//! A snapshot may hold a million flows, and packets must not wait for it: a command on many flows becomes steps of so
//! many places each, and the thread does a bounded number of places between batches. Commands are done one after the
//! other, so a later one sees what an earlier one has done.

use std::collections::VecDeque;
use std::sync::Arc;

use super::flow_table::FlowKey;
use super::forwarding::{Forwarding, News};
use super::transceivers::Slot;
use super::Millis;
use crate::wire::endpoint::Endpoint;
use crate::wire::ufrag::KeyRing;

/// What is done between two batches, in table entries read: some hundred microseconds at most.
pub const WORK_PER_BATCH: usize = 65_536;
/// A flow that is looked up counts as so many entries read in a row.
const LOOK_UP: usize = 16;

/// Flows named by the control plane; all threads read the same copy.
pub type Flows = Arc<[FlowKey]>;

/// See the methods of Python's `relay.engine.interface.Engine` that have these names.
#[derive(Clone)]
pub enum Command {
    /// Replaces the routing keys.
    SetKeys(Arc<KeyRing>),
    /// Adds or moves a transceiver.
    SetTransceiver(u32, Endpoint),
    /// Forgets a transceiver and its flows.
    RemoveTransceiver(u32),
    /// The transceiver vouches for these.
    UpsertFlows(u32, Flows),
    /// The transceiver takes these back.
    RemoveFlows(u32, Flows),
    /// The transceiver vouches for exactly these.
    ReplaceFlows(u32, Flows),
    /// Nobody vouches for the transceiver's flows any more.
    ReleaseFlows(u32),
    /// A sibling thread has seen these flows live.
    Hear(Arc<[News]>),
}

enum Step {
    Upsert(Slot, Flows),
    Remove(Slot, Flows),
    Mark(Slot, Flows),
    KeepMarked(Slot),
    RemoveAll(Slot),
    Release(Slot),
    Free(Slot),
}

/// The commands that a thread is at.
#[derive(Default)]
pub struct Work {
    steps: VecDeque<Step>,
    /// Places of the first step that are done.
    done: usize,
}

impl Work {
    /// Whether nothing is left to do: only then may the next command begin.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.steps.is_empty()
    }

    /// Begins a command. What is quick is done at once.
    pub fn begin(&mut self, command: Command, forwarding: &mut Forwarding, now: Millis) {
        let transceivers = &mut forwarding.transceivers;
        match command {
            Command::SetKeys(keys) => forwarding.set_keys(keys),
            Command::SetTransceiver(id, address) => transceivers.set(id, address),
            Command::RemoveTransceiver(id) => {
                if let Some(slot) = transceivers.find(id) {
                    transceivers.withdraw(slot);
                    self.steps.extend([Step::RemoveAll(slot), Step::Free(slot)]);
                }
            }
            Command::UpsertFlows(id, flows) => {
                self.steps.extend(transceivers.slot(id).map(|slot| Step::Upsert(slot, flows)));
            }
            Command::RemoveFlows(id, flows) => {
                self.steps.extend(transceivers.find(id).map(|slot| Step::Remove(slot, flows)));
            }
            Command::ReplaceFlows(id, flows) => {
                if let Some(slot) = transceivers.slot(id) {
                    transceivers.flip_mark(slot);
                    // Room is made before it is needed.
                    self.steps.extend([
                        Step::Mark(slot, Arc::clone(&flows)),
                        Step::KeepMarked(slot),
                        Step::Upsert(slot, flows),
                    ]);
                }
            }
            Command::ReleaseFlows(id) => self.steps.extend(transceivers.find(id).map(Step::Release)),
            Command::Hear(news) => news.iter().for_each(|flow| forwarding.hear(flow, now)),
        }
    }

    /// Does up to so much of what has begun. Returns how much of it is left, and how many flows found no room.
    pub fn proceed(&mut self, forwarding: &mut Forwarding, work: usize, now: Millis) -> (usize, usize) {
        let (mut left, mut refused) = (work, 0);
        while let Some(step) = self.steps.front() {
            let (total, cost) = step.places(forwarding);
            let count = (left / cost).min(total - self.done);
            refused += step.run(forwarding, self.done, count, now);
            self.done += count;
            left -= count * cost;
            if self.done < total {
                break;
            }
            self.steps.pop_front();
            self.done = 0;
        }
        (left, refused)
    }
}

impl Step {
    /// How many places there are to do, and what each costs.
    fn places(&self, forwarding: &Forwarding) -> (usize, usize) {
        match self {
            Self::Upsert(_, flows) | Self::Remove(_, flows) | Self::Mark(_, flows) => (flows.len(), LOOK_UP),
            Self::KeepMarked(_) | Self::RemoveAll(_) | Self::Release(_) => (forwarding.flows.capacity(), 1),
            Self::Free(_) => (0, 1),
        }
    }

    /// Does `count` places from `start` on. Returns how many flows found no room.
    fn run(&self, forwarding: &mut Forwarding, start: usize, count: usize, now: Millis) -> usize {
        let Forwarding { flows: table, transceivers, .. } = forwarding;
        match self {
            Self::Upsert(slot, flows) => {
                let mark = transceivers.mark(*slot);
                let named = flows[start..start + count].iter();
                return named.filter(|key| !table.upsert_synced(key, *slot, mark, now)).count();
            }
            Self::Remove(slot, flows) => {
                flows[start..start + count].iter().for_each(|key| table.remove(key, *slot));
            }
            Self::Mark(slot, flows) => {
                let mark = transceivers.mark(*slot);
                flows[start..start + count].iter().for_each(|key| table.mark(key, *slot, mark));
            }
            Self::KeepMarked(slot) => table.keep_marked(start, count, *slot, transceivers.mark(*slot)),
            Self::RemoveAll(slot) => table.remove_all(start, count, *slot),
            Self::Release(slot) => table.release(start, count, *slot, now),
            Self::Free(slot) => transceivers.free(*slot),
        }
        0
    }
}
