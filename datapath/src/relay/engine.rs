//! Sockets, threads, commands: what Python drives.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{eventfd, EventfdFlags};
use rustix::thread::{sched_getaffinity, sched_setaffinity, set_current_timer_slack, CpuSet};
use thiserror::Error;

use super::admission::{Admission, Budgets, Limits};
use super::command::Command;
use super::credentials::{Credentials, MOST_KEPT};
use super::flow_table::{FlowKey, FlowTable};
use super::forwarding::Forwarding;
use super::mailbox::{Mailbox, Order, Report};
use super::pace::{Pace, PaceSettings};
use super::thread::{Parts, RelayThread};
use super::Millis;
use crate::udp::{self, SocketOptions};
use crate::wire::endpoint::Endpoint;
use crate::wire::spp::SppHeader;

/// Orders that may wait for a thread. Python waits beyond that, siblings do without.
const ORDERS: usize = 1024;
/// A thread answers within a batch and a gathering.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// An expired flow is gone after this long at most, less where flows live shorter. Under a second: see `sweep_timeout`.
const SWEEP_PERIOD: Duration = Duration::from_millis(999);
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Most public sockets of one thread: one word tells which are ready, two bits of it are taken.
const MAX_LISTENERS: usize = 62;

/// A public socket.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// Where it is bound.
    pub bind: SocketAddr,
    /// The same as clients reach it; port 0 stands for the port it is bound to.
    pub public: Endpoint,
}

/// Identity and bounds of an engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Ufrags of other clusters are refused.
    pub cluster_id: u16,
    /// At most 62.
    pub listeners: Vec<Listener>,
    /// Where datagrams to transceivers come from: port 0 picks one per thread, another is the first thread's, and the
    /// others have those that follow.
    pub upstream: SocketAddr,
    /// Flows held at once.
    pub max_flows: usize,
    /// Life of an unsynced flow without authentic packets.
    pub idle: Duration,
    /// 0: one per core that this process may use.
    pub threads: usize,
    /// When packets gather.
    pub pace: PaceSettings,
    /// What strangers may cost.
    pub limits: Limits,
}

/// Why the engine does not do what it is told.
#[derive(Debug, Error)]
pub enum EngineError {
    /// From the system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It was closed, or all of its threads have died.
    #[error("the engine does not run")]
    NotRunning,
    /// More than [`MAX_LISTENERS`].
    #[error("an engine has at most 62 public sockets")]
    TooManyListeners,
}

/// A running relay. Dropping it ends its threads.
pub struct Engine {
    listeners: Vec<Listener>,
    /// Public addresses by number: the listeners', then others that synced flows name.
    proxies: Vec<Endpoint>,
    upstream: Vec<SocketAddr>,
    mailboxes: Vec<Mailbox>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Engine {
    /// Binds the upstream sockets and starts the threads, which serve no client before [`Engine::listen`].
    pub fn open(settings: &Settings) -> Result<Self, EngineError> {
        if settings.listeners.len() > MAX_LISTENERS {
            return Err(EngineError::TooManyListeners);
        }
        let cores = allowed_cores()?;
        let count = if settings.threads == 0 { cores.len() } else { settings.threads };
        let sockets =
            (0..count).map(|number| open_upstream(settings.upstream, number)).collect::<io::Result<Vec<_>>>()?;
        let upstream = sockets.iter().map(UdpSocket::local_addr).collect::<io::Result<Vec<_>>>()?;
        let boxes = (0..count).map(|_| mailbox()).collect::<io::Result<Vec<_>>>()?;
        let mailboxes: Vec<Mailbox> = boxes.iter().map(|(mailbox, ..)| mailbox.clone()).collect();
        let proxies = settings.listeners.iter().map(|listener| listener.public).collect();
        let mut engine =
            Self { listeners: settings.listeners.clone(), proxies, upstream, mailboxes, threads: Vec::new() };
        for (number, (socket, (mailbox, orders, questions))) in sockets.into_iter().zip(boxes).enumerate() {
            let parts = Parts {
                number,
                upstream: socket,
                forwarding: forwarding(settings, count),
                pace: Pace::new(settings.pace, Instant::now()),
                sweep_period: (settings.idle / 2).clamp(Duration::from_millis(1), SWEEP_PERIOD),
                orders,
                questions,
                wake: mailbox.wake,
                last_counters: mailbox.last_counters,
                siblings: engine.siblings(number),
                counts_refusals: number == 0,
            };
            engine.threads.push(start(parts, number, cores[number % cores.len()])?);
        }
        Ok(engine)
    }

    /// Where datagrams to transceivers come from, one address per thread.
    #[must_use]
    pub fn upstream_addresses(&self) -> &[SocketAddr] {
        &self.upstream
    }

    /// Binds the public sockets of every thread and begins to forward; returns where they are bound.
    pub fn listen(&mut self) -> Result<Vec<SocketAddr>, EngineError> {
        let mut bound: Vec<SocketAddr> = self.listeners.iter().map(|listener| listener.bind).collect();
        let mut sockets: Vec<Vec<(UdpSocket, Endpoint)>> = Vec::new();
        for _ in 0..self.running()?.len() {
            let mut of_thread = Vec::new();
            for (number, address) in bound.iter_mut().enumerate() {
                let socket = open_public(*address)?;
                // The first thread picks a port that was left open, its siblings share it.
                *address = socket.local_addr()?;
                if self.proxies[number].port == 0 {
                    self.proxies[number].port = address.port();
                }
                of_thread.push((socket, self.proxies[number]));
            }
            sockets.push(of_thread);
        }
        for (mailbox, of_thread) in self.mailboxes.iter().zip(sockets) {
            order(mailbox, Order::Listen(of_thread))?;
        }
        Ok(bound)
    }

    /// Gives every thread a command. Waits only while a thread has a thousand to do.
    pub fn command(&self, command: &Command) -> Result<(), EngineError> {
        self.tell_each(|| Order::Route(command.clone()))
    }

    /// How many threads have ended without being told to. Their sockets are closed, so the kernel gives their clients to
    /// the others.
    #[must_use]
    pub fn dead_threads(&self) -> usize {
        self.threads.iter().filter(|thread| thread.is_finished()).count()
    }

    /// Orders of all threads that live; an error only when none does.
    fn tell_each(&self, make: impl Fn() -> Order) -> Result<(), EngineError> {
        let told = self.running()?.iter().filter(|mailbox| order(mailbox, make()).is_ok()).count();
        (told > 0).then_some(()).ok_or(EngineError::NotRunning)
    }

    /// The keys of flows, numbering public addresses that were not met before. None when there are too many of those.
    pub fn flow_key(&mut self, flow: &SppHeader) -> Option<FlowKey> {
        let known = self.proxies.iter().position(|address| *address == flow.proxy);
        let number = known.unwrap_or(self.proxies.len());
        let proxy = u16::try_from(number).ok()?;
        if known.is_none() {
            self.proxies.push(flow.proxy);
        }
        Some(FlowKey { client: flow.client, proxy })
    }

    /// Takes no new datagram from clients; what is queued and what transceivers send is still forwarded.
    pub fn hand_over(&self) -> Result<(), EngineError> {
        self.tell_each(|| Order::HandOver)
    }

    /// What each thread has counted, after all commands given before. One that has died reports its last totals, so that
    /// no sum ever falls, and no flows.
    pub fn reports(&self) -> Result<Vec<Report>, EngineError> {
        let mailboxes = self.running()?;
        let (reply, replies) = sync_channel(mailboxes.len());
        for mailbox in mailboxes {
            if mailbox.questions.send(reply.clone()).is_ok() {
                mailbox.wake();
            }
        }
        // A thread that dies lets go of its copy, and with the last one the replies end.
        drop(reply);
        let answers = std::iter::from_fn(|| match replies.recv_timeout(ANSWER_DEADLINE) {
            Ok(report) => Some(Ok(report)),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => Some(Err(EngineError::NotRunning)),
        });
        let mut reports = answers.take(mailboxes.len()).collect::<Result<Vec<_>, _>>()?;
        for (thread, mailbox) in mailboxes.iter().enumerate() {
            if reports.iter().all(|report| report.thread != thread) {
                let counters = mailbox.last_counters.get().cloned().unwrap_or_default();
                reports.push(Report { thread, counters, flows: 0, budgets: Budgets::FULL });
            }
        }
        Ok(reports)
    }

    /// Ends the threads and closes every socket. Closing twice is harmless.
    pub fn close(&mut self) {
        for mailbox in self.mailboxes.drain(..) {
            // One that has died needs no order.
            let _ = order(&mailbox, Order::Stop);
        }
        for thread in self.threads.drain(..) {
            // Its panic, if any, was written to standard error when it happened.
            let _ = thread.join();
        }
    }

    fn running(&self) -> Result<&[Mailbox], EngineError> {
        if self.mailboxes.is_empty() {
            return Err(EngineError::NotRunning);
        }
        Ok(&self.mailboxes)
    }

    fn siblings(&self, number: usize) -> Vec<Mailbox> {
        let others = self.mailboxes.iter().enumerate().filter(|(other, _)| *other != number);
        others.map(|(_, mailbox)| mailbox.clone()).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

/// The routing state of one of so many threads.
fn forwarding(settings: &Settings, threads: usize) -> Forwarding {
    let limits = &settings.limits;
    let flows = FlowTable::new(settings.max_flows, millis(settings.idle))
        .with_source_limit(limits.source, limits.max_flows_per_source);
    let threads = u32::try_from(threads).unwrap_or(u32::MAX);
    let credentials = Credentials::new(settings.max_flows.min(MOST_KEPT));
    Forwarding::new(settings.cluster_id, credentials, flows, Admission::new(limits, threads))
}

fn order(mailbox: &Mailbox, order: Order) -> Result<(), EngineError> {
    mailbox.orders.send(order).map_err(|_| EngineError::NotRunning)?;
    mailbox.wake();
    Ok(())
}

type Ends = (Mailbox, Receiver<Order>, Receiver<SyncSender<Report>>);

fn mailbox() -> io::Result<Ends> {
    let (orders, orders_in) = sync_channel(ORDERS);
    let (questions, questions_in) = sync_channel(1);
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    Ok((Mailbox { orders, questions, wake, last_counters: Arc::default() }, orders_in, questions_in))
}

fn start(parts: Parts, number: usize, core: usize) -> io::Result<JoinHandle<io::Result<()>>> {
    let thread = RelayThread::new(parts)?;
    Builder::new().name(format!("relay-{number}")).spawn(move || {
        let mut cores = CpuSet::new();
        cores.set(core);
        sched_setaffinity(None, &cores)?;
        // Or the kernel adds 50 µs to a gathering of 500.
        set_current_timer_slack(std::num::NonZeroU64::new(1))?;
        thread.run()
    })
}

fn open_upstream(address: SocketAddr, number: usize) -> io::Result<UdpSocket> {
    let mut address = address;
    if address.port() != 0 {
        let port = u16::try_from(usize::from(address.port()) + number);
        address.set_port(port.map_err(|_| io::Error::from(io::ErrorKind::AddrNotAvailable))?);
    }
    udp::open(address, SocketOptions { gro: true, ..options() })
}

fn open_public(address: SocketAddr) -> io::Result<UdpSocket> {
    udp::open(address, SocketOptions { shared: true, whole: true, ..options() })
}

fn options() -> SocketOptions {
    SocketOptions { dscp: true, buffer_bytes: SOCKET_BUFFER_BYTES, ..SocketOptions::default() }
}

fn allowed_cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
