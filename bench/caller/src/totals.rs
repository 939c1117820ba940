//! What all callers of a process have measured, put together.

use std::time::Duration;

use serde_json::{Value, json};

use crate::arrivals::Arrivals;
use crate::call::Stages;
use crate::ear::Ear;
use crate::figures::Times;
use crate::mos::mos;

/// A frame is spoken before it is sent.
const FRAME_MS: f64 = 20.0;
const MOS_SCALE: f64 = 1000.0;

/// See the module. Packets and times are those of the measured stretch; setups are all.
#[derive(Default)]
pub struct Totals {
    /// Calls that came up.
    pub up: u64,
    /// Of these, that ended before they should.
    pub lost: u64,
    /// Calls that were up at the same time.
    pub most_at_once: usize,
    /// Packets.
    pub sent: u64,
    /// From when a packet was due to its return.
    pub round_trip: Times,
    /// From the end of a sentence to its answer.
    pub first_audio: Times,
    /// From the first word of an interruption to silence.
    pub interruption: Times,
    /// From a mouth to an ear.
    pub mouth_to_ear: Times,
    setup: Setup,
    longest_silence: Times,
    jitter: Times,
    mos: Times,
    arrived: u64,
    missing: u64,
    late: u64,
    reordered: u64,
    echoed: u64,
    duplicates: u64,
}

#[derive(Default)]
struct Setup {
    whole: Times,
    answer: Times,
    ice: Times,
    dtls: Times,
    first_media: Times,
}

impl Totals {
    /// A call has come up, by these stages.
    pub fn set_up(&mut self, stages: &Stages) {
        self.up += 1;
        let setup = &mut self.setup;
        let Stages { due, answered: Some(answered), first_stun, dtls_up, first_media } = *stages else { return };
        setup.answer.add(answered.saturating_duration_since(due));
        for (times, when) in
            [(&mut setup.ice, first_stun), (&mut setup.dtls, dtls_up), (&mut setup.first_media, first_media)]
        {
            if let Some(when) = when {
                times.add(when.saturating_duration_since(answered));
            }
        }
        if let Some(last) = first_media.or(dtls_up) {
            setup.whole.add(last.saturating_duration_since(due));
        }
    }

    /// A call is over: what it heard, what came back, how long that took on average, and its jitter buffer.
    pub fn take(&mut self, ear: &Ear, arrivals: &Arrivals, round_trip: Option<Duration>, buffer: Duration) {
        self.longest_silence.add(ear.longest_silence);
        self.jitter.add(ear.jitter());
        self.arrived += ear.arrived;
        self.missing += ear.missing;
        self.late += ear.late;
        self.reordered += ear.reordered;
        self.echoed += arrivals.received;
        self.duplicates += arrivals.duplicates;
        if let Some(share) = ear.concealed_share() {
            let one_way_ms = round_trip.map_or(0.0, |time| time.as_secs_f64() * 500.0);
            let delay_ms = one_way_ms + FRAME_MS + buffer.as_secs_f64() * 1000.0;
            self.mos.add_number((mos(delay_ms, share) * MOS_SCALE) as u64);
        }
    }

    /// How they are said.
    #[must_use]
    pub fn figures(&self) -> Value {
        let setup = &self.setup;
        json!({
            "calls": {"up": self.up, "lost": self.lost, "most_at_once": self.most_at_once},
            "packets": {
                "sent": self.sent,
                "echoed": self.echoed,
                "duplicates": self.duplicates,
                "reordered": self.reordered,
                "arrived": self.arrived,
                "missing": self.missing,
                "late": self.late,
            },
            "histograms": {
                "setup": setup.whole.base64(),
                "setup_answer": setup.answer.base64(),
                "setup_ice": setup.ice.base64(),
                "setup_dtls": setup.dtls.base64(),
                "setup_first_media": setup.first_media.base64(),
                "round_trip": self.round_trip.base64(),
                "longest_silence": self.longest_silence.base64(),
                "jitter": self.jitter.base64(),
                "mos": self.mos.base64(),
                "mouth_to_ear": self.mouth_to_ear.base64(),
                "first_audio": self.first_audio.base64(),
                "interruption": self.interruption.base64(),
            },
        })
    }
}
