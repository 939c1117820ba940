//! How the control plane and sibling threads reach a thread.

use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, OnceLock};

use super::admission::Budgets;
use super::command::Command;
use super::counters::Counters;
use crate::wire::endpoint::Endpoint;

/// A command for the thread itself.
pub enum Order {
    /// For its routing state.
    Route(Command),
    /// Begin to receive from clients: a socket per public address, in their order.
    Listen(Vec<(UdpSocket, Endpoint)>),
    /// Leave the clients to the other sockets that share the public addresses, see [`crate::udp::leave_group`].
    HandOver,
    /// End the thread.
    Stop,
}

/// What a thread says when asked.
pub struct Report {
    /// Its number.
    pub thread: usize,
    /// Its totals.
    pub counters: Counters,
    /// Flows it holds.
    pub flows: usize,
    /// What is left for strangers.
    pub budgets: Budgets,
}

/// How to reach a thread.
#[derive(Clone)]
pub struct Mailbox {
    /// Bounded; see [`Order`].
    pub orders: SyncSender<Order>,
    /// Answered after the orders that were sent before.
    pub questions: SyncSender<SyncSender<Report>>,
    /// An eventfd.
    pub wake: Arc<OwnedFd>,
    /// The totals of a thread that has ended, whatever ended it.
    pub last_counters: Arc<OnceLock<Counters>>,
}

impl Mailbox {
    /// Ends the thread's sleep, if it sleeps.
    pub fn wake(&self) {
        // It fails only when the counter is at its limit, and then the thread is awake.
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}
