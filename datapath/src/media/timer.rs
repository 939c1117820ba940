//! The thread that sends scheduled packets on time, whatever the event loop is doing.
//!
//! It shares the [`MediaCore`] with the loop's side of the port behind a mutex, which neither holds across a system call,
//! and has an [`Outbox`] of its own. It knows nothing of Python.

use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::time::{clock_gettime, ClockId};

use super::core::MediaCore;
use super::outbox::Outbox;

/// Microseconds of the system's monotonic clock, which is also Python's `time.monotonic()`.
#[must_use]
pub fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // It begins at zero when the system starts.
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}

/// What both threads of a port use.
pub struct Shared {
    /// The socket; the kernel lets both send.
    pub socket: UdpSocket,
    dscp: u8,
    state: Mutex<State>,
    changed: Condvar,
}

/// What the mutex guards.
pub struct State {
    /// The port without its socket.
    pub core: MediaCore,
    /// Until when the thread sleeps if nobody wakes it.
    asleep_until_us: u64,
    closed: bool,
}

impl Shared {
    /// A port's state before anything has happened.
    #[must_use]
    pub fn new(socket: UdpSocket, dscp: u8) -> Self {
        let state = State { core: MediaCore::default(), asleep_until_us: 0, closed: false };
        Self { socket, dscp, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits for the other thread, which holds it for microseconds.
    ///
    /// # Panics
    ///
    /// If the other thread has panicked: nothing is known of the state then.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the port's other thread has panicked")
    }

    /// Sends what an outbox holds, without holding the mutex meanwhile.
    pub fn flush(&self, outbox: &mut Outbox) {
        if !outbox.is_empty() {
            let sent = outbox.flush(&self.socket, self.dscp);
            self.lock().core.count_sent(sent);
        }
    }

    /// Lets the thread know that something has been scheduled.
    pub fn scheduled(&self, state: MutexGuard<'_, State>) {
        let sleeps_too_long = state.core.next_release().is_some_and(|at_us| at_us < state.asleep_until_us);
        drop(state);
        if sleeps_too_long {
            self.changed.notify_one();
        }
    }

    /// Sleeps until packets are due, and puts them into `outbox`; false once the port is closed.
    fn release(&self, outbox: &mut Outbox) -> bool {
        let mut state = self.lock();
        while !state.closed {
            let now_us = now_us();
            let next_us = state.core.next_release();
            if next_us.is_some_and(|at_us| at_us <= now_us) {
                state.asleep_until_us = 0;
                state.core.release(now_us, outbox);
                return true;
            }
            state.asleep_until_us = next_us.unwrap_or(u64::MAX);
            state = match next_us {
                Some(at_us) => {
                    let waited = self.changed.wait_timeout(state, Duration::from_micros(at_us - now_us));
                    waited.expect("the port's other thread has panicked").0
                }
                None => self.changed.wait(state).expect("the port's other thread has panicked"),
            };
        }
        false
    }
}

/// The running thread. Dropping it ends it; what is scheduled then never leaves.
pub struct Timer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Timer {
    /// Starts the thread. Errors if the system has none to give.
    pub fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("media-timer".into()).spawn(move || {
            let mut outbox = Outbox::default();
            while of_thread.release(&mut outbox) {
                of_thread.flush(&mut outbox);
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Ok(mut state) = self.shared.state.lock() {
            state.closed = true;
        }
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported where it happened.
            let _ = thread.join();
        }
    }
}
