//! The loop around one thread's sockets. Per batch: wait, receive, do commands, decide, send.

use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{epoll, Timespec};

use super::batches::{ClientBatch, Ready, ReturnBatch, CLIENT_SLOTS, FIRST_PUBLIC, UPSTREAM, WOKEN};
use super::command::{Command, Work, WORK_PER_BATCH};
use super::counters::Counters;
use super::forwarding::{Forwarding, News};
use super::mailbox::Mailbox;
use super::mailbox::{Order, Report};
use super::pace::{Pace, Wait};
use super::senders::{DownstreamSender, UpstreamSender};
use super::Millis;
use crate::udp::{first_train, leave_group, Trains};
use crate::wire::drop_reason::DropReason;
use crate::wire::endpoint::Endpoint;
use crate::wire::spp::SppHeader;

/// Entries that one sweep looks at: some microseconds.
const SWEEP_ENTRIES: usize = 16_384;

/// What a thread is made of.
pub struct Parts {
    /// Its number, for reports.
    pub number: usize,
    /// Its upstream socket, with GRO.
    pub upstream: UdpSocket,
    /// Its routing state.
    pub forwarding: Forwarding,
    /// Its pace.
    pub pace: Pace,
    /// How long an unsynced flow may outlive its idle time.
    pub sweep_period: Duration,
    /// The other ends of its [`Mailbox`].
    pub orders: Receiver<Order>,
    /// See [`Mailbox::questions`].
    pub questions: Receiver<SyncSender<Report>>,
    /// See [`Mailbox::wake`].
    pub wake: Arc<OwnedFd>,
    /// See [`Mailbox::last_counters`].
    pub last_counters: Arc<OnceLock<Counters>>,
    /// The other threads.
    pub siblings: Vec<Mailbox>,
    /// Of several threads that all refuse a synced flow, one counts it.
    pub counts_refusals: bool,
}

/// One thread, running until it is told to stop.
pub struct RelayThread {
    parts: Parts,
    epoll: OwnedFd,
    publics: Vec<UdpSocket>,
    clients: ClientBatch,
    returns: ReturnBatch,
    trains: Trains,
    work: Work,
    counters: Counters,
    started: Instant,
    swept_at: Instant,
    asked: Option<SyncSender<Report>>,
    stopping: bool,
}

impl RelayThread {
    /// Errors when the system gives no epoll.
    pub fn new(parts: Parts) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let now = Instant::now();
        let thread = Self {
            parts,
            epoll,
            publics: Vec::new(),
            clients: ClientBatch::new(),
            returns: ReturnBatch::new(),
            trains: Trains::new(CLIENT_SLOTS),
            work: Work::default(),
            counters: Counters::default(),
            started: now,
            swept_at: now,
            asked: None,
            stopping: false,
        };
        thread.watch(&thread.parts.wake, WOKEN)?;
        thread.watch(&thread.parts.upstream, UPSTREAM)?;
        Ok(thread)
    }

    /// Runs until [`Order::Stop`]. Errors only if waiting fails, which needs a broken epoll.
    pub fn run(mut self) -> io::Result<()> {
        let mut wait = Wait::ForPacket;
        while !self.stopping {
            let ready = self.wait(wait)?;
            let received_at = Instant::now();
            self.clients.receive(&self.publics, ready);
            self.returns.receive(&self.parts.upstream, ready);
            // Whoever sent an order before a packet finds it done when the packet is handled.
            if self.asked.is_none() {
                self.asked = self.parts.questions.try_recv().ok();
            }
            let now = self.millis(received_at);
            self.do_orders(now);
            let packets = self.forward(now);
            self.sweep(received_at, now);
            self.answer();
            let more = self.clients.is_full() || self.returns.is_full() || !self.work.is_done();
            wait = self.parts.pace.after(packets, more, received_at, Instant::now());
        }
        Ok(())
    }

    fn wait(&mut self, wait: Wait) -> io::Result<Ready> {
        match wait {
            Wait::ForPacket => self.wait_for_packet(),
            Wait::Until(deadline) => {
                self.counters.gathered += 1;
                let left = deadline.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    std::thread::sleep(left);
                    self.parts.pace.woke_late(deadline.elapsed());
                }
                Ok(Ready::ALL)
            }
            Wait::NotAtAll => Ok(Ready::ALL),
        }
    }

    fn wait_for_packet(&mut self) -> io::Result<Ready> {
        let mut events = [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 16];
        let timeout = self.sweep_timeout();
        let count = match epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let ready = events[..count].iter().fold(0, |ready, event| ready | 1 << event.data.u64());
        if Ready(ready).has(WOKEN) {
            // Nothing to read means that an earlier read has taken it.
            let _ = rustix::io::read(&*self.parts.wake, &mut [0; 8]);
        }
        Ok(Ready(ready))
    }

    fn do_orders(&mut self, now: Millis) {
        let mut work = WORK_PER_BATCH;
        loop {
            let (left, refused) = self.work.proceed(&mut self.parts.forwarding, work, now);
            work = left;
            if self.parts.counts_refusals {
                self.counters.synced_flows_refused += refused as u64;
            }
            if !self.work.is_done() {
                return;
            }
            match self.parts.orders.try_recv() {
                Ok(Order::Route(command)) => self.work.begin(command, &mut self.parts.forwarding, now),
                Ok(Order::Listen(sockets)) => self.listen(sockets),
                Ok(Order::HandOver) => self.hand_over(),
                Ok(Order::Stop) => self.stopping = true,
                // Disconnected: the engine is gone without a word, which its Drop does not do.
                Err(_) => return,
            }
        }
    }

    fn listen(&mut self, sockets: Vec<(UdpSocket, Endpoint)>) {
        for (number, (socket, public)) in (0..).zip(sockets) {
            // A fresh descriptor can always be watched, short of memory.
            if self.watch(&socket, FIRST_PUBLIC + u64::from(number)).is_ok() {
                self.parts.forwarding.set_proxy(number, public);
                self.publics.push(socket);
            }
        }
    }

    fn hand_over(&self) {
        for (number, socket) in (0..).zip(&self.publics) {
            // Without a route to its public address it serves until it is closed.
            let _ = leave_group(socket, self.parts.forwarding.proxy(number).into());
        }
    }

    fn watch(&self, descriptor: impl AsFd, number: u64) -> io::Result<()> {
        epoll::add(&self.epoll, descriptor, epoll::EventData::new_u64(number), epoll::EventFlags::IN)?;
        Ok(())
    }

    /// Handles both batches; returns how many datagrams they held.
    fn forward(&mut self, now: Millis) -> usize {
        self.route_clients(now);
        // Before anything leaves: whatever a check causes elsewhere finds every thread informed.
        self.tell_siblings();
        self.send_trains();
        let packets = self.clients.len() + self.forward_returns(now);
        self.tell_siblings();
        self.counters.checks_verified = self.parts.forwarding.checks_verified;
        self.counters.batch(packets);
        packets
    }

    /// Decides on each client datagram and puts the SPP header in front of those that go on.
    fn route_clients(&mut self, now: Millis) {
        let forwarding = &mut self.parts.forwarding;
        self.trains.clear();
        forwarding.flows.warm((0..self.clients.len()).map(|index| self.clients.flow_key(index)));
        for index in 0..self.clients.len() {
            let key = self.clients.flow_key(index);
            self.counters.client_datagrams_received += 1;
            self.counters.client_bytes_received += self.clients.bytes(index) as u64;
            let decision = match self.clients.datagram(index) {
                Some(datagram) => forwarding.from_client(datagram, &key, now),
                None => Err(DropReason::OversizedDatagram),
            };
            match decision {
                Err(reason) => self.counters.drop(reason),
                Ok(transceiver) => {
                    let length =
                        self.clients.seal(index, &SppHeader { client: key.client, proxy: forwarding.proxy(key.proxy) });
                    let dscp = self.clients.dscp(index);
                    self.trains.push(transceiver, dscp, length, index, forwarding.flows.hash(&key));
                }
            }
        }
    }

    fn send_trains(&mut self) {
        let Self { parts, clients, counters, .. } = self;
        let mut sender = UpstreamSender::new(&parts.upstream, clients, &parts.forwarding.transceivers, counters);
        let mut items = self.trains.order();
        while let [first, ..] = *items {
            let (train, rest) = items.split_at(first_train(items));
            sender.send(train);
            if rest.first().is_none_or(|next| next.generation() != first.generation()) {
                sender.flush();
            }
            items = rest;
        }
    }

    fn forward_returns(&mut self, now: Millis) -> usize {
        let Self { parts, publics, returns, counters, .. } = self;
        let mut sender = DownstreamSender::new(publics, counters);
        let mut packets = 0;
        parts.forwarding.warm_returns(returns.trains().flat_map(|(.., train)| train));
        for (source, dscp, train) in returns.trains() {
            let source = parts.forwarding.return_source(&source);
            for datagram in train {
                packets += 1;
                sender.count_received(datagram.len());
                match source.and_then(|source| parts.forwarding.from_transceiver(datagram, source, now)) {
                    Ok((key, payload)) => sender.push(key, dscp, payload),
                    Err(reason) => sender.drop(reason),
                }
            }
        }
        sender.flush();
        packets
    }

    /// Looks for expired flows, at a rate that sees the whole table once in a period.
    fn sweep(&mut self, at: Instant, now: Millis) {
        let elapsed = at.saturating_duration_since(self.swept_at).as_micros();
        let flows = &mut self.parts.forwarding.flows;
        let due = flows.capacity() as u128 * elapsed / self.parts.sweep_period.as_micros();
        let entries = usize::try_from(due).unwrap_or(SWEEP_ENTRIES).min(SWEEP_ENTRIES);
        if entries > 0 && self.work.is_done() {
            flows.sweep(entries, now);
            self.swept_at = at;
        }
    }

    /// How long a quiet thread may sleep until the next sweep is due; None if there is nothing to sweep.
    fn sweep_timeout(&self) -> Option<Timespec> {
        let flows = &self.parts.forwarding.flows;
        let sweeps = u32::try_from(flows.capacity().div_ceil(SWEEP_ENTRIES)).unwrap_or(u32::MAX);
        let timeout = (self.parts.sweep_period / sweeps).max(Duration::from_millis(1));
        flows.has_unsynced().then(|| Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() })
    }

    fn tell_siblings(&mut self) {
        let news = self.parts.forwarding.news();
        if news.len() == 0 || self.parts.siblings.is_empty() {
            return;
        }
        let news: Arc<[News]> = news.collect();
        for sibling in &self.parts.siblings {
            // A sibling whose queue is full learns of the flow when it next shows life.
            if sibling.orders.try_send(Order::Route(Command::Hear(Arc::clone(&news)))).is_ok() {
                sibling.wake();
            }
        }
    }

    /// Answers a question that was asked before the orders now done.
    fn answer(&mut self) {
        if !self.work.is_done() {
            return;
        }
        if let Some(reply) = self.asked.take() {
            let now = self.millis(Instant::now());
            let forwarding = &mut self.parts.forwarding;
            let (flows, budgets) = (forwarding.flows.len(), forwarding.admission.budgets(now));
            // Whoever asked may have gone.
            let _ =
                reply.try_send(Report { thread: self.parts.number, counters: self.counters.clone(), flows, budgets });
        }
    }

    fn millis(&self, at: Instant) -> Millis {
        #[allow(clippy::cast_possible_truncation)] // Millis wrap.
        let millis = at.saturating_duration_since(self.started).as_millis() as Millis;
        millis
    }
}

/// Also in a panic, and before the thread's end of any question is dropped: whoever misses the answer finds these.
impl Drop for RelayThread {
    fn drop(&mut self) {
        let _ = self.parts.last_counters.set(std::mem::take(&mut self.counters));
    }
}
