//! RTP packets that wait for their time. Sans-IO.
//!
//! Each session has a row of packets in order of time, all on the path it was given last. A packet leaves at the first tick
//! of a common grid at which it is due: so packets of many sessions leave together, and each at most [`GRID_US`] late.
//! What has not left can be taken back, and as times never go back within a row, that is always its tail.

use std::collections::{BTreeSet, VecDeque};

use rustc_hash::FxHashMap;

use super::core::{PathId, SessionId};
use crate::wire::drop_reason::DropReason;

/// Distance of the ticks at which packets leave.
pub const GRID_US: u64 = 2_000;

/// Packets of one session that wait, at most; the next is dropped.
pub const MAX_PER_SESSION: usize = 40;

/// Packets of all sessions that wait, at most; the next is dropped.
pub const MAX_IN_ALL: usize = 1 << 16;

/// A packet whose time has come.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    /// Whose it is.
    pub session: SessionId,
    /// Where it goes.
    pub path: PathId,
    /// RTP, not sealed.
    pub packet: Box<[u8]>,
}

struct Row {
    path: PathId,
    packets: VecDeque<(u64, Box<[u8]>)>,
}

/// See the module. Times are microseconds on any one clock.
#[derive(Default)]
pub struct Schedule {
    rows: FxHashMap<SessionId, Row>,
    /// The tick of each row's first packet.
    ticks: BTreeSet<(u64, SessionId)>,
    waiting_in_all: usize,
}

impl Schedule {
    /// Puts a packet behind those of its session, which all go on `path` from now on. One that is due before the last of
    /// them leaves with it.
    ///
    /// [`DropReason::QueueFull`] if there is no room.
    pub fn push(&mut self, session: SessionId, path: PathId, packet: &[u8], due_us: u64) -> Result<(), DropReason> {
        let row = self.rows.entry(session).or_insert_with(|| Row { path, packets: VecDeque::new() });
        row.path = path;
        if row.packets.len() >= MAX_PER_SESSION || self.waiting_in_all >= MAX_IN_ALL {
            return Err(DropReason::QueueFull);
        }
        let due_us = row.packets.back().map_or(due_us, |&(last, _)| due_us.max(last));
        if row.packets.is_empty() {
            self.ticks.insert((tick(due_us), session));
        }
        row.packets.push_back((due_us, packet.into()));
        self.waiting_in_all += 1;
        Ok(())
    }

    /// Sends what waits of a session on another path.
    pub fn reroute(&mut self, session: SessionId, path: PathId) {
        if let Some(row) = self.rows.get_mut(&session) {
            row.path = path;
        }
    }

    /// How many packets of a session wait.
    #[must_use]
    pub fn waiting(&self, session: SessionId) -> usize {
        self.rows.get(&session).map_or(0, |row| row.packets.len())
    }

    /// Forgets what waits of a session; returns how many packets that were.
    pub fn take_back(&mut self, session: SessionId) -> usize {
        let Some(row) = self.rows.remove(&session) else { return 0 };
        if let Some(&(due_us, _)) = row.packets.front() {
            self.ticks.remove(&(tick(due_us), session));
        }
        self.waiting_in_all -= row.packets.len();
        row.packets.len()
    }

    /// When [`Schedule::pop`] has something to give; None while nothing waits.
    #[must_use]
    pub fn next_tick(&self) -> Option<u64> {
        self.ticks.first().map(|&(at_us, _)| at_us)
    }

    /// The next packet whose tick has come.
    pub fn pop(&mut self, now_us: u64) -> Option<Due> {
        let &(at_us, session) = self.ticks.first()?;
        if at_us > now_us {
            return None;
        }
        self.ticks.pop_first();
        let row = self.rows.get_mut(&session)?;
        let (_, packet) = row.packets.pop_front()?;
        if let Some(&(due_us, _)) = row.packets.front() {
            self.ticks.insert((tick(due_us), session));
        }
        self.waiting_in_all -= 1;
        Some(Due { session, path: row.path, packet })
    }
}

/// The first tick that is not before `due_us`.
fn tick(due_us: u64) -> u64 {
    due_us.div_ceil(GRID_US) * GRID_US
}
