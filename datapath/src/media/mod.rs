//! The native media port: sockets towards the relays, Simple Proxy Protocol and SRTP of one transceiver.
//!
//! What it does with a datagram is what `transceiver/media_port/python_core.py` does, and one behaviour suite runs on both.
//! An event loop watches the socket, lets [`port::Port`] fill and drain at each wake-up, and flushes what was sent meanwhile.
//! Only packets that are scheduled leave without it: a thread with a clock sends those.
//!
//! | module | what it decides |
//! |---|---|
//! | [`relays`] | who is heard |
//! | [`core`] | which session a datagram belongs to, and its SRTP |
//! | [`srtp`] | SRTP and SRTCP of one session |
//! | [`rtp`] | what an RTP header says |
//! | [`lane`] | which audio is passed on without asking the session |
//! | [`arrivals`], [`transport_feedback`] | when packets came, and how the client is told |
//! | [`inbox`], [`outbox`] | datagrams out of trains, datagrams into trains |
//! | [`schedule`] | which packet is due when |
//! | [`timer`] | the thread that sends those |
//! | [`port`] | all of it on a socket |

pub mod arrivals;
pub mod core;
pub mod inbox;
pub mod lane;
pub mod outbox;
pub mod port;
pub mod relays;
pub mod rtp;
pub mod schedule;
pub mod srtp;
pub mod timer;
pub mod transport_feedback;
