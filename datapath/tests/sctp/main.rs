//! Behaviour of the SCTP association through its public face, in virtual time.

mod hostile_packets_do_no_harm;
mod messages_cross_a_lossy_network;
mod pair;
mod readers_set_the_pace;
mod streams_open_and_close;
