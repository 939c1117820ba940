//! What a thread counts. Each thread has its own and hands out copies; nothing here is shared.

use crate::wire::drop_reason::{DropCounts, DropReason};

/// Classes of the batch histogram: 1, 2, up to 4, 8, ... 256 datagrams, more.
pub const BATCH_CLASSES: usize = 10;

/// Totals since the engine was opened. Bytes are UDP payload without the SPP header.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// From clients, dropped ones included.
    pub client_datagrams_received: u64,
    /// The same in bytes.
    pub client_bytes_received: u64,
    /// To clients, as far as the kernel took them.
    pub client_datagrams_sent: u64,
    /// The same in bytes.
    pub client_bytes_sent: u64,
    /// On the upstream side, from whomever.
    pub transceiver_datagrams_received: u64,
    /// The same in bytes.
    pub transceiver_bytes_received: u64,
    /// To transceivers, as far as the kernel took them.
    pub transceiver_datagrams_sent: u64,
    /// The same in bytes.
    pub transceiver_bytes_sent: u64,
    /// Flows that a transceiver vouched for and that found no room.
    pub synced_flows_refused: u64,
    /// Connectivity checks with a good MESSAGE-INTEGRITY.
    pub checks_verified: u64,
    /// GSO sends towards transceivers.
    pub trains_sent: u64,
    /// Datagrams in them.
    pub train_datagrams_sent: u64,
    /// How often the thread let packets gather before it received.
    pub gathered: u64,
    /// Batches by their datagrams: class i holds those of at most 2^i, the last all that are larger.
    pub batches: [u64; BATCH_CLASSES],
    /// Discarded datagrams, by reason.
    pub drops: DropCounts,
}

impl Counters {
    /// One datagram was discarded.
    pub fn drop(&mut self, reason: DropReason) {
        self.drops.add(reason, 1);
    }

    /// Several were.
    pub fn drop_many(&mut self, reason: DropReason, datagrams: usize) {
        self.drops.add(reason, datagrams);
    }

    /// A batch of so many datagrams was handled.
    pub fn batch(&mut self, datagrams: usize) {
        if datagrams > 0 {
            let class = (usize::BITS - (datagrams - 1).leading_zeros()) as usize;
            self.batches[class.min(BATCH_CLASSES - 1)] += 1;
        }
    }
}
