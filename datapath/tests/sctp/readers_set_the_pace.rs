//! An owner that does not take messages slows its peer down, and lets it go on by taking them.

use crate::pair::{messages, Pair, LIMITS};
use offhook_datapath::sctp::{Message, Reliability, SctpError, State};

const BINARY: u32 = 53;
const MESSAGE_BYTES: usize = 16_384;
/// What a peer that is blocked may wait for the word that it is not any more.
const AT_ONCE_S: f64 = 0.25;

/// Sends until the buffer is full, lets packets cross, and so on until nothing moves. Returns how many were sent.
fn send_all_that_goes(pair: &mut Pair, data: &[u8]) -> usize {
    let mut sent = 0;
    loop {
        let before = sent;
        while pair.client.send(0, BINARY, data, true, Reliability::Reliable).is_ok() {
            sent += 1;
        }
        pair.run();
        if sent == before {
            return sent;
        }
    }
}

/// Takes messages, lets packets cross and time pass, until so many have come.
fn take_until(pair: &mut Pair, count: usize) -> Vec<Message> {
    let mut received = Vec::new();
    while received.len() < count {
        assert_eq!(pair.server.state(), State::Connected);
        let came = messages(&mut pair.server);
        pair.run();
        assert!(!came.is_empty() || pair.advance(), "a timer must be running");
        received.extend(came);
    }
    received
}

#[test]
fn a_peer_that_filled_the_window_goes_on_as_soon_as_it_is_read() {
    let mut pair = Pair::connected();
    pair.client.open_stream(0).unwrap();
    let sent = send_all_that_goes(&mut pair, &[7; MESSAGE_BYTES]);
    let buffered = LIMITS.max_buffered_bytes as usize;
    assert!(sent * MESSAGE_BYTES <= 2 * buffered, "one buffer at each end");
    assert_eq!(
        pair.client.send(0, BINARY, &[7; MESSAGE_BYTES], true, Reliability::Reliable),
        Err(SctpError::BufferFull)
    );
    let began = pair.now;
    let received = take_until(&mut pair, sent);
    assert_eq!(received.len(), sent);
    assert!(pair.now - began < AT_ONCE_S, "{}", pair.now - began);
    assert_eq!(pair.client.total_buffered(), 0);
}

#[test]
fn thousands_of_small_messages_wait_for_their_reader() {
    let mut pair = Pair::connected();
    pair.client.open_stream(0).unwrap();
    for number in 0..5000u32 {
        pair.client.send(0, BINARY, &number.to_be_bytes(), true, Reliability::Reliable).unwrap();
    }
    pair.run();
    let received = take_until(&mut pair, 5000);
    assert!(received.iter().map(|message| message.data.clone()).eq((0..5000u32).map(|n| n.to_be_bytes().to_vec())));
}

#[test]
fn streams_take_turns() {
    let mut pair = Pair::connected();
    for stream_id in [0, 1] {
        pair.client.open_stream(stream_id).unwrap();
        for _ in 0..3 {
            pair.client.send(stream_id, BINARY, b"x", true, Reliability::Reliable).unwrap();
        }
    }
    pair.run();
    let order: Vec<u16> = messages(&mut pair.server).iter().map(|message| message.stream_id).collect();
    assert_eq!(order, [0, 1, 0, 1, 0, 1]);
}
