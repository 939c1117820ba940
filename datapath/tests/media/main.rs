//! The media port, part by part, from outside.

mod packets_are_sealed_as_the_rfcs_say;
mod replays_are_refused;
mod rtp_is_read_exactly;
mod scheduled_packets_leave_in_order;
mod trains_to_relays;
