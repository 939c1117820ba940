//! What the run is told while it runs: lines on standard input, read by a thread.

use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

/// See the module.
pub struct Orders(Receiver<String>);

impl Orders {
    /// Starts to read.
    ///
    /// # Errors
    /// The kernel has no thread.
    pub fn listen() -> io::Result<Self> {
        let (tell, told) = channel();
        let read = move || io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| tell.send(line));
        // It ends with its reader, or with standard input.
        thread::Builder::new().name("orders".into()).spawn(read)?;
        Ok(Self(told))
    }

    /// Waits for a line. False if there will be none.
    #[must_use]
    pub fn wait(&self) -> bool {
        self.0.recv().is_ok()
    }

    /// Whether the run is to stop: any line says so, and so does whoever started it by being gone.
    #[must_use]
    pub fn stop(&self) -> bool {
        !matches!(self.0.try_recv(), Err(TryRecvError::Empty))
    }
}
