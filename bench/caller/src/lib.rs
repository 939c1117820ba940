//! Real WebRTC callers (full ICE, DTLS, SRTP, RTCP), thousands of them in one thread, and what they measure.
//!
//! Each caller is a [`str0m::Rtc`]; this crate gives them one UDP socket, a clock and a schedule. Every packet is due
//! at a time that is fixed beforehand (an open loop), and all delays count from then, so that a server which stalls
//! the load cannot hide its stall (no coordinated omission). Payloads carry a number that the echo brings back.
//!
//! ```text
//!  signalling (threads) ──answers──▶ load ◀── schedule: packets due, timers due
//!                                    │  ▲
//!                               call │  │ call        one per session: Rtc, stages of its setup, its arrivals
//!                                    ▼  │
//!                                    wire ── one socket for all (envelope: plain UDP, or Simple Proxy Protocol), or one each
//! ```

pub mod arrivals;
pub mod call;
pub mod calls;
pub mod cause;
pub mod churn;
pub mod ear;
pub mod envelope;
pub mod figures;
pub mod listener;
pub mod load;
pub mod mos;
pub mod options;
pub mod orders;
pub mod play;
pub mod port;
pub mod ports;
pub mod schedule;
pub mod seconds;
pub mod signalling;
pub mod speech;
pub mod stamp;
pub mod totals;
pub mod turns;
pub mod watermark;
pub mod window;
pub mod wire;
