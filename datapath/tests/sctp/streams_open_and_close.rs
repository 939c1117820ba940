//! The life of streams and of the association.

use crate::pair::{messages, Pair};
use offhook_datapath::sctp::{Limits, Reliability, Sctp, SctpError, State};

const TEXT: u32 = 51;

#[test]
fn a_closed_stream_ends_on_both_sides_after_its_last_message() {
    let mut pair = Pair::connected();
    pair.client.open_stream(3).unwrap();
    pair.client.send(3, TEXT, b"last words", true, Reliability::Reliable).unwrap();
    pair.client.close_stream(3).unwrap();
    pair.run();
    assert_eq!(messages(&mut pair.server).len(), 1);
    while pair.client.take_ended_streams() != [3] {
        assert!(pair.advance(), "the reset must finish");
    }
    assert_eq!(pair.server.take_ended_streams(), [3]);
    let send = pair.server.send(3, TEXT, b"too late", true, Reliability::Reliable);
    assert_eq!(send, Err(SctpError::StreamNotOpen(3)));
}

#[test]
fn an_orderly_close_delivers_what_was_queued() {
    let mut pair = Pair::connected();
    pair.client.open_stream(0).unwrap();
    pair.client.send(0, TEXT, b"bye", true, Reliability::Reliable).unwrap();
    pair.client.close();
    let mut received = Vec::new();
    for _ in 0..20 {
        pair.run();
        received.extend(messages(&mut pair.server));
        pair.advance();
    }
    assert_eq!(received.len(), 1);
    assert_eq!((pair.client.state(), pair.server.state()), (State::Closed, State::Closed));
    assert_eq!((pair.client.timeout(), pair.server.timeout()), (None, None));
}

#[test]
fn misuse_is_refused_and_changes_nothing() {
    let mut pair = Pair::new();
    assert_eq!(pair.client.open_stream(0), Err(SctpError::NotConnected));
    pair.run();
    pair.client.open_stream(0).unwrap();
    assert_eq!(pair.client.open_stream(0), Err(SctpError::StreamInUse(0)));
    assert_eq!(pair.client.open_stream(1024), Err(SctpError::TooManyStreams(1024)));
    let mut send = |id, ppid, data: &[u8]| pair.client.send(id, ppid, data, true, Reliability::Reliable);
    assert_eq!(send(0, TEXT, b""), Err(SctpError::EmptyMessage));
    assert_eq!(send(0, 52, b"x"), Err(SctpError::UnknownPpid(52)));
    assert_eq!(send(9, TEXT, b"x"), Err(SctpError::StreamNotOpen(9)));
    assert_eq!(send(0, TEXT, &vec![0; 65_537]), Err(SctpError::MessageTooLarge(65_537)));
    assert_eq!(pair.client.state(), State::Connected);
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    for (max_message_bytes, max_buffered_bytes) in [(0, 5000), (1, 1499), (5000, 4999)] {
        let limits = Limits { max_message_bytes, max_buffered_bytes };
        assert_eq!(Sctp::new(false, limits, 0.0).err(), Some(SctpError::InvalidLimits));
    }
}

#[test]
fn an_abort_is_final() {
    let mut pair = Pair::connected();
    pair.client.abort("enough");
    assert_eq!((pair.client.state(), pair.client.close_reason()), (State::Closed, Some("enough")));
    assert_eq!(pair.client.send(0, TEXT, b"x", true, Reliability::Reliable), Err(SctpError::NotConnected));
    assert!(pair.client.take_datagrams().is_empty());
    pair.client.abort("again");
    assert_eq!(pair.client.close_reason(), Some("enough"));
}

#[test]
fn a_peer_that_hangs_up_is_gone_at_once_whatever_it_had_to_send() {
    let mut pair = Pair::connected();
    pair.client.open_stream(0).unwrap();
    pair.client.send(0, TEXT, &vec![b'x'; 50_000], true, Reliability::Reliable).unwrap();
    let abort = pair.client.hang_up().unwrap();
    assert_eq!(pair.client.state(), State::Closed);
    assert!(pair.client.take_datagrams().is_empty());
    pair.server.receive(&abort, 0.0).unwrap();
    assert_eq!((pair.server.state(), pair.server.close_reason()), (State::Closed, Some("aborted by peer")));
    assert_eq!(pair.client.hang_up(), None);
}

#[test]
fn there_is_nobody_to_tell_before_the_handshake() {
    assert_eq!(Pair::new().server.hang_up(), None);
}
