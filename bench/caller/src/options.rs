//! What a run is told: one JSON object on the command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use crate::envelope::Envelope;

/// Options of both kinds of run. Times are in the units of their names; unknown keys are refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Where offers are posted: an `http://` or `https://` URL that takes `application/sdp`.
    pub url: String,
    /// Bearer key, if the server wants one.
    #[serde(default)]
    pub key: Option<String>,
    /// Certificates (PEM) of those who vouch for an `https://` target.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How a call ends: `"hangup"` (POST to its location's `/hangup`, Realtime API) or `"delete"` (WHIP).
    pub end: End,
    /// Media address of a transceiver, towards which the load speaks SPP as a relay does; else plain UDP.
    #[serde(default)]
    pub spp: Option<SocketAddr>,
    /// Address of the first caller where the load speaks plain UDP; the others have those that follow it.
    #[serde(default = "default_first_address")]
    pub first_address: Ipv4Addr,
    /// Every caller has a UDP port of its own on that address, instead of an address of its own.
    #[serde(default)]
    pub own_ports: bool,
    /// Calls per second at which calls are opened.
    pub rate: f64,
    /// Half of the round trip that a user-space delay adds, in both directions, to everything but signalling.
    #[serde(default)]
    pub delay_ms: f64,
    /// How long due packets may wait for others, as a relay's do above 20,000 packets per second.
    #[serde(default)]
    pub gather_us: u64,
    /// Signalling threads: so many requests are under way at once.
    #[serde(default = "default_signallers")]
    pub signallers: usize,
    /// A call that is not up by then has failed.
    #[serde(default = "default_setup_timeout_s")]
    pub setup_timeout_s: f64,
    /// What kind of run.
    pub run: Run,
}

/// How calls are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// `POST <location>/hangup`.
    Hangup,
    /// `DELETE <location>`.
    Delete,
}

/// The kinds of run.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Run {
    /// Calls that are opened, play, and end together.
    Play {
        /// How many.
        calls: u32,
        /// For how long they play.
        seconds: f64,
        /// Calls that arrive at `storm_rate` while the others go on playing; 0 for none.
        #[serde(default)]
        storm_calls: u32,
        /// Arrivals per second of the storm.
        #[serde(default = "default_storm_rate")]
        storm_rate: f64,
    },
    /// Calls that arrive by a schedule which several processes share.
    Calls {
        /// Of the run, of all processes together.
        calls: u32,
        /// That share the schedule.
        processes: u32,
        /// Which of them this is, from 0.
        process: u32,
        /// What callers do.
        profile: Profile,
        /// From when on packets count, after the beginning.
        measure_from_s: f64,
        /// Until when they do; then all hang up.
        measure_to_s: f64,
        /// How long a call stays, once up; absent: until the end.
        #[serde(default)]
        hold_s: Option<f64>,
        /// Length of the jitter buffer of callers.
        ear_buffer_ms: f64,
        /// In what so many callers of this process hear, marks are looked for.
        #[serde(default)]
        listeners: u32,
    },
    /// Calls that are opened at the rate, echo some packets, and are ended.
    Churn {
        /// After how many calls, in rising order, to pause with none open, until a line comes on standard input.
        checkpoints: Vec<u32>,
        /// Calls open at once at most.
        concurrent: u32,
    },
}

/// What callers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Talk all the time, and hear themselves.
    Echo,
    /// Say a sentence, listen to the answer, and so on.
    Conversation,
    /// The same, but interrupt each answer.
    BargeIn,
}

fn default_signallers() -> usize {
    16
}

fn default_setup_timeout_s() -> f64 {
    15.0
}

fn default_first_address() -> Ipv4Addr {
    Ipv4Addr::new(127, 64, 0, 1)
}

fn default_storm_rate() -> f64 {
    100.0
}

impl Options {
    /// What datagrams are wrapped in.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        self.spp.map_or(Envelope::Plain(self.first_address), Envelope::Spp)
    }
}
