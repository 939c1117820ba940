//! Which transceiver a client's five-tuple belongs to.
//!
//! Open addressing with linear probing in one array of 28-byte entries, allocated once at four thirds of the bound, so
//! a look-up ends after a few neighbouring entries and nothing ever grows. Deletion shifts entries back: no tombstones.
//!
//! The rules of `relay/engine/flow_table.py` hold: a flow is *synced* while its transceiver vouches for it and lives
//! until that takes it back; any other lives as long as authentic packets come.

use std::hint::black_box;

use super::keyed_hash::{place, KeyedHash};
use super::source::{SourceFlows, SourcePrefix};
use super::transceivers::Slot;
use super::Millis;
use crate::wire::drop_reason::DropReason;
use crate::wire::endpoint::Endpoint;

/// A client's five-tuple. The public address is a number, as an engine knows few of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// The client's address.
    pub client: Endpoint,
    /// Which public address it talks to.
    pub proxy: u16,
}

/// What [`FlowTable::prove`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The flow was this transceiver's already.
    Known,
    /// The flow is new here, or belongs to another transceiver from now on, or its siblings have long heard nothing.
    News,
    /// The flow is new and the table is full.
    Refused,
}

#[derive(Clone, Copy)]
struct Entry {
    key: FlowKey,
    /// The transceiver's slot plus one; 0 for an empty entry.
    owner: u16,
    synced: bool,
    /// Which replacement of the transceiver's flows has last named this one; see [`FlowTable::keep_marked`].
    mark: bool,
    seen_at: Millis,
    told_at: Millis,
}

impl Entry {
    const EMPTY: Self = Self {
        key: FlowKey { client: Endpoint { host: [0; 16], port: 0 }, proxy: 0 },
        owner: 0,
        synced: false,
        mark: false,
        seen_at: 0,
        told_at: 0,
    };
}

/// Bounded; a full table refuses new flows, so that a flood cannot push out calls.
pub struct FlowTable {
    entries: Box<[Entry]>,
    hash: KeyedHash,
    of_source: SourceFlows,
    flows: usize,
    /// Those that expire.
    unsynced: usize,
    max_flows: usize,
    idle: Millis,
    sweep_at: usize,
}

impl FlowTable {
    /// A table of at most `max_flows`, in which an unsynced flow lives `idle` without authentic packets.
    #[must_use]
    pub fn new(max_flows: usize, idle: Millis) -> Self {
        // A look-up ends at an empty entry, so there must be at least one.
        let capacity = max_flows + max_flows / 3 + 1;
        let entries = vec![Entry::EMPTY; capacity].into_boxed_slice();
        let of_source = SourceFlows::new(max_flows, SourcePrefix::new(32, 128), u32::MAX);
        Self { entries, hash: KeyedHash::new(), of_source, flows: 0, unsynced: 0, max_flows, idle, sweep_at: 0 }
    }

    /// The same, empty, in which [`FlowTable::refuse`] allows a source so many flows.
    #[must_use]
    pub fn with_source_limit(self, prefix: SourcePrefix, most: u32) -> Self {
        Self { of_source: SourceFlows::new(self.max_flows, prefix, most), ..self }
    }

    /// Flows held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows == 0
    }

    /// Whether any flow can expire.
    #[must_use]
    pub fn has_unsynced(&self) -> bool {
        self.unsynced > 0
    }

    /// Places that [`FlowTable::walk`] visits.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// The transceiver a five-tuple belongs to.
    #[must_use]
    pub fn owner(&self, key: &FlowKey) -> Option<Slot> {
        let entry = &self.entries[self.find(key)];
        entry.owner.checked_sub(1)
    }

    /// Reads the places where the search for some keys will begin. Their cache misses overlap, while those of one search
    /// after the other do not, and they are most of a look-up's cost.
    pub fn warm(&self, keys: impl Iterator<Item = FlowKey>) {
        let read = keys.fold(0, |read, key| read ^ self.entries[self.home(&key)].owner);
        black_box(read);
    }

    /// Why a check may not make a flow of `key`, which has none; None if it may.
    #[must_use]
    pub fn refuse(&self, key: &FlowKey) -> Option<DropReason> {
        if self.flows >= self.max_flows {
            Some(DropReason::FlowTableFull)
        } else {
            self.of_source.at_limit(&key.client).then_some(DropReason::SourceFlowLimit)
        }
    }

    /// An authentic check for the transceiver `owner` came from `key`: whatever was known of it before is void.
    pub fn prove(&mut self, key: &FlowKey, owner: Slot, now: Millis) -> Proof {
        let at = self.find(key);
        if self.entries[at].owner == owner + 1 {
            return if self.refresh(at, now) { Proof::News } else { Proof::Known };
        }
        if self.entries[at].owner == 0 && self.flows >= self.max_flows {
            return Proof::Refused;
        }
        self.write(at, *key, owner, false, now);
        Proof::News
    }

    /// The transceiver sends to `key`. None if that is not its flow; else whether siblings should hear that it lives.
    pub fn touch(&mut self, key: &FlowKey, owner: Slot, now: Millis) -> Option<bool> {
        let at = self.find(key);
        (self.entries[at].owner == owner + 1).then(|| self.refresh(at, now))
    }

    /// The transceiver vouches for `key`. False if it found no room.
    ///
    /// Of two transceivers the later claim counts, but what a check has proved here counts more than a claim: the other
    /// transceiver may not know yet that its client is gone.
    pub fn upsert_synced(&mut self, key: &FlowKey, owner: Slot, mark: bool, now: Millis) -> bool {
        let at = self.find(key);
        let entry = self.entries[at];
        if entry.owner == 0 && self.flows >= self.max_flows {
            return false;
        }
        if entry.owner == 0 || entry.synced || entry.owner == owner + 1 {
            self.write(at, *key, owner, true, now);
            self.entries[at].mark = mark;
        }
        true
    }

    /// The transceiver takes `key` back, if it is still its own.
    pub fn remove(&mut self, key: &FlowKey, owner: Slot) {
        let at = self.find(key);
        if self.entries[at].owner == owner + 1 {
            self.delete(at);
        }
    }

    /// Marks `key` as named by the current replacement of the transceiver's flows, if it is held as synced.
    pub fn mark(&mut self, key: &FlowKey, owner: Slot, mark: bool) {
        let at = self.find(key);
        let entry = &mut self.entries[at];
        if entry.owner == owner + 1 {
            entry.mark = mark;
        }
    }

    /// From `count` places on, drops the transceiver's synced flows that the current replacement has not named.
    pub fn keep_marked(&mut self, start: usize, count: usize, owner: Slot, mark: bool) {
        self.walk(start, count, |entry| entry.owner != owner + 1 || !entry.synced || entry.mark == mark);
    }

    /// From `count` places on, drops all of the transceiver's flows.
    pub fn remove_all(&mut self, start: usize, count: usize, owner: Slot) {
        self.walk(start, count, |entry| entry.owner != owner + 1);
    }

    /// From `count` places on: nobody vouches for the transceiver's flows any more; each has its idle time from now.
    pub fn release(&mut self, start: usize, count: usize, owner: Slot, now: Millis) {
        let mut released = 0;
        self.walk(start, count, |entry| {
            if entry.owner == owner + 1 {
                released += usize::from(entry.synced);
                (entry.synced, entry.seen_at) = (false, now);
            }
            true
        });
        self.unsynced += released;
    }

    /// Drops unsynced flows without life among the next `count` places, going round.
    pub fn sweep(&mut self, count: usize, now: Millis) {
        if self.unsynced == 0 {
            return;
        }
        let (start, idle) = (self.sweep_at, self.idle);
        self.walk(start, count, |entry| entry.synced || now.wrapping_sub(entry.seen_at) < idle);
        self.sweep_at = if start + count >= self.capacity() { 0 } else { start + count };
    }

    /// Notes that the flow lives; true once in a quarter of the idle time, when siblings should hear of it.
    fn refresh(&mut self, at: usize, now: Millis) -> bool {
        let entry = &mut self.entries[at];
        entry.seen_at = now;
        let due = !entry.synced && now.wrapping_sub(entry.told_at) >= self.idle / 4;
        if due {
            entry.told_at = now;
        }
        due
    }

    /// Visits `count` places from `start` on, as far as there are so many, and deletes what `keep` refuses.
    fn walk(&mut self, start: usize, count: usize, mut keep: impl FnMut(&mut Entry) -> bool) {
        let end = self.capacity().min(start.saturating_add(count));
        for at in start..end {
            // Deleting moves a later entry to this place.
            while self.entries[at].owner != 0 && !keep(&mut self.entries[at]) {
                self.delete(at);
            }
        }
    }

    fn write(&mut self, at: usize, key: FlowKey, owner: Slot, synced: bool, now: Millis) {
        let before = self.entries[at];
        if before.owner == 0 {
            self.flows += 1;
            self.of_source.add(&key.client);
        }
        self.unsynced += usize::from(!synced);
        self.unsynced -= usize::from(before.owner != 0 && !before.synced);
        self.entries[at] = Entry { key, owner: owner + 1, synced, mark: false, seen_at: now, told_at: now };
    }

    /// Empties a place and closes the gap: each following entry that belongs at or before it moves back.
    fn delete(&mut self, at: usize) {
        self.flows -= 1;
        self.of_source.remove(&self.entries[at].key.client);
        self.unsynced -= usize::from(!self.entries[at].synced);
        let capacity = self.capacity();
        let (mut gap, mut next) = (at, at);
        loop {
            next = if next + 1 == capacity { 0 } else { next + 1 };
            if self.entries[next].owner == 0 {
                break;
            }
            let home = self.home(&self.entries[next].key);
            let distance = |from: usize| if next >= from { next - from } else { next + capacity - from };
            if distance(home) >= distance(gap) {
                self.entries[gap] = self.entries[next];
                gap = next;
            }
        }
        self.entries[gap] = Entry::EMPTY;
    }

    /// Where the key is, or the empty place where it would be.
    fn find(&self, key: &FlowKey) -> usize {
        let mut at = self.home(key);
        while self.entries[at].owner != 0 && self.entries[at].key != *key {
            at = if at + 1 == self.entries.len() { 0 } else { at + 1 };
        }
        at
    }

    /// Where the search for a key begins: its hash, scaled to the table.
    fn home(&self, key: &FlowKey) -> usize {
        place(self.hash(key), self.entries.len())
    }

    /// Tells flows apart, in every bit.
    pub(super) fn hash(&self, key: &FlowKey) -> u64 {
        self.hash.of(key.client.host, u64::from(key.client.port) << 16 | u64::from(key.proxy))
    }
}
