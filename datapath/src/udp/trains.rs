//! Which datagrams leave together: GSO trains between relays and transceivers.
//!
//! All datagrams to one transceiver share a destination, whatever the client, and so do those to one relay, so they can
//! share a send. A train is a run of equal sizes with perhaps a shorter last one, and of one DSCP, so the datagrams of a
//! batch are put in order of destination, DSCP and size. What must not change is the order within a flow. Two datagrams of one flow that differ in
//! DSCP or size therefore fall into different *generations*, which leave one after the other; this is rare, as a voice
//! flow sends every 20 ms.

// Items are packed by shifting and unpacked by cutting off.
#![allow(clippy::cast_possible_truncation)]

use super::{TRAIN_BYTES, TRAIN_SEGMENTS};

/// Places to remember a flow's last DSCP and size in. Two flows that share one may cost a generation, nothing else.
const MEMORY: usize = 2048;

/// What an item's index tells apart.
const MAX_ITEMS: usize = 1024;

/// One datagram. Ordered by generation, destination, DSCP, size from long to short, and arrival.
///
/// ```text
///  63          48 47          32 31   26 25          10 9        0
/// +--------------+--------------+-------+--------------+----------+
/// |  generation  | destination  | DSCP  |    !bytes    |  index   |
/// +--------------+--------------+-------+--------------+----------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item(u64);

impl Item {
    fn new(generation: u16, destination: u16, dscp: u8, bytes: u16, index: usize) -> Self {
        let word = u64::from;
        let lane = word(generation) << 48 | word(destination) << 32 | u64::from(dscp & 63) << 26;
        Self(lane | word(!bytes) << 10 | (index % MAX_ITEMS) as u64)
    }

    /// Where it goes, as the caller numbers destinations.
    #[must_use]
    pub fn destination(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// How it is marked.
    #[must_use]
    pub fn dscp(self) -> u8 {
        (self.0 >> 26) as u8 & 63
    }

    /// Its length.
    #[must_use]
    pub fn bytes(self) -> u16 {
        !((self.0 >> 10) as u16)
    }

    /// Its place in the batch.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize % MAX_ITEMS
    }

    /// Datagrams of different generations must leave in this order.
    #[must_use]
    pub fn generation(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// Generation, destination and DSCP: a train has one of each.
    fn lane(self) -> u64 {
        self.0 >> 26
    }
}

/// The datagrams of one batch on their way out.
pub struct Trains {
    items: Vec<Item>,
    last: [u32; MEMORY],
    generation: u16,
}

impl Trains {
    /// For batches of at most `capacity` datagrams, which is at most 1,024.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        debug_assert!(capacity <= MAX_ITEMS);
        Self { items: Vec::with_capacity(capacity), last: [0; MEMORY], generation: 0 }
    }

    /// Forgets the last batch.
    pub fn clear(&mut self) {
        self.items.clear();
        self.last.fill(0);
        self.generation = 0;
    }

    /// Adds the datagram at place `index` of the batch. `flow` tells flows apart, in its low bits, too.
    pub fn push(&mut self, destination: u16, dscp: u8, bytes: u16, index: usize, flow: u64) {
        let place = flow as usize % MEMORY;
        // Never zero, as a datagram has an SPP header.
        let kind = u32::from(dscp) << 16 | u32::from(bytes);
        if self.last[place] != kind {
            if self.last[place] != 0 {
                self.last.fill(0);
                self.generation += 1;
            }
            self.last[place] = kind;
        }
        self.items.push(Item::new(self.generation, destination, dscp, bytes, index));
    }

    /// Puts the batch in order. [`first_train`] then cuts it.
    pub fn order(&mut self) -> &[Item] {
        self.items.sort_unstable();
        &self.items
    }
}

/// How many items at the front of an ordered batch form one train; at least one if there is any.
#[must_use]
pub fn first_train(items: &[Item]) -> usize {
    let Some(first) = items.first() else { return 0 };
    let segment = first.bytes();
    let most = (TRAIN_BYTES / usize::from(segment.max(1))).clamp(1, TRAIN_SEGMENTS).min(items.len());
    let lane = items[..most].iter().take_while(|item| item.lane() == first.lane()).count();
    let equal = items[..lane].iter().take_while(|item| item.bytes() == segment).count();
    // What follows in the lane is shorter, and may be the train's last.
    (equal + 1).min(lane)
}
