//! HTTP, on threads of its own: offers go out, answers come back, calls are ended.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, thread};

use rustix::event::{EventfdFlags, eventfd};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error};

use crate::cause::Cause;
use crate::options::{End, Options};

const UNREACHABLE: [io::ErrorKind; 3] =
    [io::ErrorKind::ConnectionRefused, io::ErrorKind::HostUnreachable, io::ErrorKind::NetworkUnreachable];
const MOST_OF_A_BODY: usize = 200;
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a thread is asked to do.
enum Request {
    Open { slot: u32, offer: String, due: Instant },
    End { slot: u32, location: String },
}

/// What a thread has done.
#[derive(Debug)]
pub enum Done {
    /// A call was accepted: its location and answer, and when that came.
    Opened {
        /// Whose.
        slot: u32,
        /// Where it is ended.
        location: String,
        /// SDP.
        answer: String,
        /// When the answer was read.
        at: Instant,
        /// How long after it was due the request was made.
        late: Duration,
    },
    /// A call was refused, or nobody answered.
    Refused {
        /// Whose.
        slot: u32,
        /// Why.
        cause: Cause,
        /// What the server or the network said.
        detail: String,
    },
    /// A call was ended, or there was none.
    Ended {
        /// Whose.
        slot: u32,
    },
}

/// The threads. Dropped, they end after what they are at.
pub struct Signalling {
    requests: Sender<Request>,
    done: Receiver<Done>,
    woken: Arc<OwnedFd>,
    pending: Cell<usize>,
}

#[derive(Clone)]
struct Server {
    agent: Agent,
    url: String,
    origin: String,
    key: Option<String>,
    end: End,
}

impl Signalling {
    /// Starts the threads.
    ///
    /// # Errors
    /// The kernel has no more threads or descriptors; the URL is neither `http://` nor `https://`; the file with
    /// certificates cannot be read.
    pub fn start(options: &Options) -> io::Result<Self> {
        let origin =
            origin(&options.url).ok_or_else(|| io::Error::other("url: must begin with http:// or https://"))?;
        let agent = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_idle_connections_per_host(options.signallers)
            .max_idle_connections(options.signallers)
            .proxy(None)
            .tls_config(tls(options.ca_file.as_deref())?)
            .build()
            .into();
        let server = Server { agent, url: options.url.clone(), origin, key: options.key.clone(), end: options.end };
        let (requests, taken) = channel();
        let (tell, done) = channel();
        let taken = Arc::new(Mutex::new(taken));
        let woken = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        for _ in 0..options.signallers {
            let (server, taken, tell, woken) = (server.clone(), taken.clone(), tell.clone(), woken.clone());
            thread::Builder::new().name("signalling".into()).spawn(move || serve(&server, &taken, &tell, &woken))?;
        }
        Ok(Self { requests, done, woken, pending: Cell::new(0) })
    }

    /// Posts an offer of a call that was due at `due`.
    pub fn open(&self, slot: u32, offer: String, due: Instant) {
        self.ask(Request::Open { slot, offer, due });
    }

    /// Ends a call.
    pub fn end(&self, slot: u32, location: String) {
        self.ask(Request::End { slot, location });
    }

    fn ask(&self, request: Request) {
        self.pending.set(self.pending.get() + 1);
        // Threads end with this object only.
        let _ = self.requests.send(request);
    }

    /// Requests that are not answered yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.get()
    }

    /// What has been done meanwhile.
    pub fn take_done(&self) -> impl Iterator<Item = Done> {
        let mut count = [0; 8];
        // Nothing to read is no fault: the channel says what there is.
        let _ = rustix::io::read(&*self.woken, &mut count);
        self.done.try_iter().inspect(|_| self.pending.set(self.pending.get() - 1))
    }

    /// Becomes readable when something was done.
    #[must_use]
    pub fn woken(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }
}

fn serve(server: &Server, taken: &Mutex<Receiver<Request>>, tell: &Sender<Done>, woken: &OwnedFd) {
    loop {
        let Ok(Ok(request)) = taken.lock().map(|requests| requests.recv()) else { return };
        let done = match request {
            Request::Open { slot, offer, due } => server.open(slot, &offer, due),
            Request::End { slot, location } => {
                server.end(&location);
                Done::Ended { slot }
            }
        };
        if tell.send(done).is_err() {
            return;
        }
        // A counter that is full has woken its reader already.
        let _ = rustix::io::write(woken, &1u64.to_ne_bytes());
    }
}

impl Server {
    fn open(&self, slot: u32, offer: &str, due: Instant) -> Done {
        let late = due.elapsed();
        let refused = |cause: Cause, detail: String| Done::Refused { slot, cause, detail };
        let mut request = self.agent.post(&self.url).header("Content-Type", "application/sdp");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let mut response = match request.send(offer) {
            Ok(response) => response,
            Err(error) => return refused(cause_of(&error), error.to_string()),
        };
        let body = match response.body_mut().read_to_string() {
            Ok(body) => body,
            Err(error) => return refused(cause_of(&error), error.to_string()),
        };
        let at = Instant::now();
        if !response.status().is_success() {
            let status = response.status().as_u16();
            return refused(Cause::of_status(status), format!("HTTP {status}: {}", excerpt(&body)));
        }
        let location = response.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let location = if location.starts_with('/') { format!("{}{location}", self.origin) } else { location.into() };
        Done::Opened { slot, location, answer: body, at, late }
    }

    /// A server that no longer knows the call is as good as one that has ended it.
    fn end(&self, location: &str) {
        let request = match self.end {
            End::Hangup => self.agent.post(format!("{location}/hangup")),
            End::Delete => self.agent.delete(location).force_send_body(),
        };
        let request = match &self.key {
            Some(key) => request.header("Authorization", format!("Bearer {key}")),
            None => request,
        };
        // A call whose server cannot be reached any more is over as well.
        let _ = request.send_empty().map(|mut response| response.body_mut().read_to_string());
    }
}

fn tls(ca_file: Option<&Path>) -> io::Result<TlsConfig> {
    // Installed once for the process; a second run in it finds it there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pem = ca_file.map(std::fs::read).transpose()?.unwrap_or_default();
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build())
}

fn cause_of(error: &Error) -> Cause {
    match error {
        Error::Timeout(_) => Cause::HttpTimeout,
        Error::HostNotFound | Error::ConnectionFailed => Cause::Unreachable,
        Error::Io(error) if UNREACHABLE.contains(&error.kind()) => Cause::Unreachable,
        _ => Cause::HttpBroken,
    }
}

/// What of an error body fits on a line.
fn excerpt(body: &str) -> String {
    body.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MOST_OF_A_BODY).collect()
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))?;
    let authority = rest.split(['/', '?']).next()?;
    Some(format!("{scheme}://{authority}"))
}
