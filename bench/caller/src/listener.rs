//! Finds the marks in what some callers hear: decodes it, in a thread of its own, and tells how old each mark is.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use opusic_c::{Channels, Decoder, SampleRate};

use crate::ear::{Floor, Packet};
use crate::figures::Times;
use crate::watermark::{FIRST_S, KINDS, LENGTH_S, LOOP_S, PERIOD_S, mark};

const RATE_HZ: usize = 8_000;
const TIMESTAMPS_PER_SAMPLE: u64 = 6;
const FRAME_S: f64 = 0.02;
const LONGEST_FRAME: usize = RATE_HZ * 120 / 1000;
/// Who is further behind than that is not listened to any more.
const MOST_WAITING: usize = 8_192;
/// Correlation of a mark that went through a codec is 0.8 and more, that of speech 0.3 and less.
const RECOGNIZED: f32 = 0.55;
/// Softer than that is nothing.
const LEAST_POWER: f32 = 1e-5;
/// A stream that jumps further has begun anew.
const LONGEST_HOLE: u64 = RATE_HZ as u64 * 10;
/// Every second sample is precise enough: 0.25 ms.
const STEP: u64 = 2;

/// A packet that a caller heard who began to speak at `origin`.
pub struct Listened {
    /// Whose.
    pub slot: u32,
    /// When its first packet was due.
    pub origin: Instant,
    /// Header.
    pub packet: Packet,
    /// Opus.
    pub payload: Arc<[u8]>,
}

/// See the module.
pub struct Listener {
    tell: SyncSender<Listened>,
    thread: JoinHandle<Times>,
}

impl Listener {
    /// Starts the thread. Callers have a jitter buffer of that length; marks said outside the times count for nothing.
    ///
    /// # Errors
    /// The kernel has no thread.
    pub fn start(ear_buffer: Duration, from: Instant, to: Instant) -> io::Result<Self> {
        let (tell, told) = sync_channel(MOST_WAITING);
        let listen = move || listen(&told, ear_buffer, from, to);
        Ok(Self { tell, thread: thread::Builder::new().name("listener".into()).spawn(listen)? })
    }

    /// Somebody heard a packet.
    pub fn hear(&self, listened: Listened) {
        // A thread that cannot follow misses marks, and holds up nobody.
        let _ = self.tell.try_send(listened);
    }

    /// How old the marks were: from a mouth to an ear.
    ///
    /// # Errors
    /// The thread has panicked; what it said then.
    pub fn finish(self) -> Result<Times, String> {
        drop(self.tell);
        self.thread.join().map_err(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it said nothing").to_owned()
        })
    }
}

fn listen(told: &Receiver<Listened>, ear_buffer: Duration, from: Instant, to: Instant) -> Times {
    let mut times = Times::default();
    let mut hearings = BTreeMap::new();
    for Listened { slot, origin, packet, payload } in told {
        let hearing = hearings.entry(slot).or_insert_with(|| Hearing::new(origin, ear_buffer));
        for Mark { spoken_at, age } in hearing.hear(packet, &payload) {
            if spoken_at >= from && spoken_at < to {
                times.add(age);
            }
        }
    }
    times
}

/// A mark that was heard.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// When it left the mouth.
    pub spoken_at: Instant,
    /// How long after that it reaches the ear, the jitter buffer included.
    pub age: Duration,
}

/// What one caller hears.
pub struct Hearing {
    origin: Instant,
    ear_buffer_s: f64,
    decoder: Decoder,
    templates: Vec<Vec<f32>>,
    first_timestamp: Option<u64>,
    /// The sound's latest samples; the last of them is sample `heard - 1` since the first.
    recent: Vec<f32>,
    heard: u64,
    floor: Floor,
    earliest_s: f64,
    best: Option<(u64, usize, f32)>,
}

impl Hearing {
    /// Of a caller whose first packet was due at `origin`.
    ///
    /// # Panics
    /// libopus is built wrongly.
    #[must_use]
    pub fn new(origin: Instant, ear_buffer: Duration) -> Self {
        let template = |kind| {
            let sweep = mark(kind, RATE_HZ);
            let norm = sweep.iter().map(|sample| sample * sample).sum::<f32>().sqrt();
            sweep.into_iter().map(|sample| sample / norm).collect()
        };
        Self {
            origin,
            ear_buffer_s: ear_buffer.as_secs_f64(),
            decoder: Decoder::new(Channels::Mono, SampleRate::Hz8000).expect("constants that libopus takes"),
            templates: (0..KINDS).map(template).collect(),
            first_timestamp: None,
            recent: Vec::new(),
            heard: 0,
            floor: Floor::default(),
            earliest_s: 0.0,
            best: None,
        }
    }

    /// Hears a packet. Returns the marks that it completes.
    pub fn hear(&mut self, packet: Packet, payload: &[u8]) -> Vec<Mark> {
        let first = *self.first_timestamp.get_or_insert(packet.rtp_timestamp);
        let Some(begin) = packet.rtp_timestamp.checked_sub(first).map(|ahead| ahead / TIMESTAMPS_PER_SAMPLE) else {
            return Vec::new();
        };
        if begin < self.heard {
            // Late, or twice.
            return Vec::new();
        }
        let transit_s = self.since_origin(packet.at) - begin as f64 / RATE_HZ as f64;
        self.earliest_s = self.floor.of_late(transit_s, packet.at);
        if begin - self.heard > LONGEST_HOLE {
            (self.recent, self.best, self.heard) = (Vec::new(), None, begin);
        }
        let mut marks = Vec::new();
        let hole = (begin - self.heard) as usize;
        self.take(&vec![0.0; hole], &mut marks);
        let mut samples = Vec::with_capacity(LONGEST_FRAME);
        if self.decoder.decode_float_to_vec(payload, &mut samples, LONGEST_FRAME, false).is_ok() {
            self.take(&samples, &mut marks);
        }
        marks
    }

    fn since_origin(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.origin).as_secs_f64()
    }

    fn take(&mut self, samples: &[f32], marks: &mut Vec<Mark>) {
        let length = self.templates[0].len();
        for sample in samples {
            self.recent.push(*sample);
            self.heard += 1;
            if self.heard % STEP == 0 && self.recent.len() >= length {
                self.compare();
                marks.extend(self.settle());
            }
        }
        let spare = self.recent.len().saturating_sub(length);
        self.recent.drain(..spare);
    }

    fn compare(&mut self) {
        let window = &self.recent[self.recent.len() - self.templates[0].len()..];
        let energy = dot(window, window);
        if energy < LEAST_POWER * window.len() as f32 {
            return;
        }
        for (kind, template) in self.templates.iter().enumerate() {
            let likeness = dot(window, template) / energy.sqrt();
            if likeness > self.best.map_or(RECOGNIZED, |(_, _, best)| best) {
                self.best = Some((self.heard - window.len() as u64, kind, likeness));
            }
        }
    }

    /// The best likeness, once nothing better has come for as long as a mark lasts.
    fn settle(&mut self) -> Option<Mark> {
        let length = self.templates[0].len() as u64;
        let (begin, kind, _) = self.best.filter(|(begin, _, _)| self.heard > begin + 2 * length)?;
        self.best = None;
        let ear_s = self.earliest_s + self.ear_buffer_s + begin as f64 / RATE_HZ as f64;
        // A frame is spoken before it is sent.
        let first_s = FIRST_S + PERIOD_S * kind as f64 - FRAME_S;
        let rounds = ((ear_s - first_s) / LOOP_S).floor();
        let spoken_s = first_s + rounds * LOOP_S;
        (rounds >= 0.0).then(|| Mark {
            spoken_at: self.origin + Duration::from_secs_f64(spoken_s.max(0.0)),
            age: Duration::from_secs_f64(ear_s - spoken_s),
        })
    }
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    // Eight sums, for the compiler to do at once.
    let mut sums = [0.0f32; 8];
    let (left, right) = (left.chunks_exact(8), right.chunks_exact(8));
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
    for (left, right) in left.zip(right) {
        for ((sum, a), b) in sums.iter_mut().zip(left).zip(right) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

const _: () = assert!(LENGTH_S < PERIOD_S, "marks follow one another");
