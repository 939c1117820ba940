//! Transport-wide congestion control: the packet that tells a client when each of its packets came.
//!
//! `transceiver/media_port/transport_feedback.py` draws the format and is what this agrees with;
//! <https://datatracker.ietf.org/doc/html/draft-holmer-rmcat-transport-wide-cc-extensions-01#section-3.1>.

// Fields take the low bits of numbers that count on.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

/// Arrival times are in units of 250 µs.
pub const TICKS_PER_SECOND: f64 = 4000.0;

const TRANSPORT_FEEDBACK: u8 = 205;
const FIRST_OCTET: u8 = 0x80 | 15;
const PADDING: u8 = 0x20;
const TICKS_PER_REFERENCE: i64 = 256;
const MAX_RUN: usize = (1 << 13) - 1;
const ONE_BIT_SYMBOLS: usize = 14;
const TWO_BIT_SYMBOLS: usize = 7;

/// What is said of a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Missing = 0,
    /// The delta takes one byte, unsigned.
    Small = 1,
    /// It takes two, signed.
    Large = 2,
}

/// Appends one feedback packet to `out`.
///
/// `base` is the transport-wide sequence number of the first of `arrivals`, which say for each number from there on when it
/// arrived in ticks, None if it did not. Without any that did, nothing is written.
pub fn build(
    out: &mut Vec<u8>,
    sender_ssrc: u32,
    media_ssrc: u32,
    base: u16,
    arrivals: &[Option<i64>],
    feedback_count: u8,
) {
    let Some(first) = arrivals.iter().find_map(|arrival| *arrival) else { return };
    let start = out.len();
    let reference = first.div_euclid(TICKS_PER_REFERENCE);
    let (symbols, deltas) = deltas(arrivals, reference * TICKS_PER_REFERENCE);
    out.extend_from_slice(&[FIRST_OCTET, TRANSPORT_FEEDBACK, 0, 0]);
    out.extend_from_slice(&sender_ssrc.to_be_bytes());
    out.extend_from_slice(&media_ssrc.to_be_bytes());
    out.extend_from_slice(&base.to_be_bytes());
    out.extend_from_slice(&(arrivals.len() as u16).to_be_bytes());
    out.extend_from_slice(&(reference as u32).to_be_bytes()[1..]);
    out.push(feedback_count);
    push_chunks(out, &symbols);
    out.extend_from_slice(&deltas);
    let padding = (4 - (out.len() - start) % 4) % 4;
    if padding > 0 {
        out[start] |= PADDING;
        out.resize(out.len() + padding - 1, 0);
        out.push(padding as u8);
    }
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

/// A symbol for each packet, and the deltas of those that came.
fn deltas(arrivals: &[Option<i64>], mut previous: i64) -> (Vec<Symbol>, Vec<u8>) {
    let mut deltas = Vec::with_capacity(arrivals.len());
    let symbols = arrivals.iter().map(|arrival| {
        let Some(arrival) = *arrival else { return Symbol::Missing };
        let delta = arrival - previous;
        previous = arrival;
        if let Ok(small) = u8::try_from(delta) {
            deltas.push(small);
            Symbol::Small
        } else {
            let large = delta.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
            deltas.extend_from_slice(&large.to_be_bytes());
            Symbol::Large
        }
    });
    (symbols.collect(), deltas)
}

/// Runs where they save something, vectors elsewhere.
fn push_chunks(out: &mut Vec<u8>, mut symbols: &[Symbol]) {
    while let Some(&symbol) = symbols.first() {
        let run = symbols.iter().take(MAX_RUN).take_while(|&&each| each == symbol).count();
        let window = &symbols[..symbols.len().min(ONE_BIT_SYMBOLS)];
        let (chunk, taken) = if run >= window.len() || (symbol == Symbol::Large && run >= TWO_BIT_SYMBOLS) {
            ((symbol as u16) << 13 | run as u16, run)
        } else if !window.contains(&Symbol::Large) {
            (0x8000 | vector(window, 1, ONE_BIT_SYMBOLS), window.len())
        } else {
            let window = &window[..window.len().min(TWO_BIT_SYMBOLS)];
            (0xC000 | vector(window, 2, TWO_BIT_SYMBOLS), window.len())
        };
        out.extend_from_slice(&chunk.to_be_bytes());
        symbols = &symbols[taken..];
    }
}

fn vector(symbols: &[Symbol], bits: usize, length: usize) -> u16 {
    let vector = symbols.iter().fold(0, |vector, &symbol| vector << bits | symbol as u16);
    vector << (bits * (length - symbols.len()))
}
