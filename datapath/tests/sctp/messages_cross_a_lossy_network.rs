//! Messages arrive whole, once and in order, whatever the network loses.

use crate::pair::{messages, Pair};
use offhook_datapath::sctp::{Message, Reliability, SctpError, State};

const BINARY: u32 = 53;

#[test]
fn a_lost_handshake_is_retried() {
    let mut pair = Pair::new();
    pair.loss_percent = 100;
    pair.run();
    assert_eq!(pair.server.state(), State::Connecting);
    pair.loss_percent = 0;
    while pair.client.state() != State::Connected {
        assert!(pair.advance(), "a timer must be running");
    }
    assert!(pair.now < 2.0, "the first retry is soon: {}", pair.now);
}

#[test]
fn messages_of_every_size_arrive_in_order_through_loss() {
    let mut pair = Pair::connected();
    pair.loss_percent = 20;
    pair.client.open_stream(0).unwrap();
    let sizes = [1, 2, 1119, 1120, 1121, 5000, 65_536];
    let sent: Vec<Vec<u8>> =
        sizes.iter().map(|size| (0..*size).map(|i| u8::try_from(i % 251).unwrap()).collect()).collect();
    for data in &sent {
        pair.client.send(0, BINARY, data, true, Reliability::Reliable).unwrap();
    }
    let mut received = Vec::new();
    pair.run();
    for _ in 0..10_000 {
        received.extend(messages(&mut pair.server));
        if received.len() == sent.len() {
            break;
        }
        assert!(pair.advance(), "a timer must be running");
    }
    let expected: Vec<Message> = sent.into_iter().map(|data| Message { stream_id: 0, ppid: BINARY, data }).collect();
    assert_eq!(received, expected);
}

#[test]
fn every_packet_fits_the_path() {
    let mut pair = Pair::connected();
    pair.client.open_stream(0).unwrap();
    pair.client.send(0, BINARY, &vec![7; 20_000], true, Reliability::Reliable).unwrap();
    let datagrams = pair.client.take_datagrams();
    assert!(!datagrams.is_empty());
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 1148));
}

#[test]
fn every_bundle_fits_the_path() {
    for size in 1..1200 {
        let mut pair = Pair::connected();
        pair.client.open_stream(0).unwrap();
        let first = vec![1; 1 + size % 7];
        for data in [&first, &vec![2; size], &first, &vec![3; 1200 - size], &first] {
            pair.client.send(0, BINARY, data, true, Reliability::Reliable).unwrap();
        }
        let datagrams = pair.client.take_datagrams();
        assert!(datagrams.iter().all(|datagram| datagram.len() <= 1148), "{size}");
        for datagram in datagrams {
            assert!(pair.server.receive(&datagram, 0.0).unwrap());
        }
        pair.run();
        assert_eq!(messages(&mut pair.server).len(), 5, "{size}");
    }
}

#[test]
fn an_expired_message_is_given_up() {
    let mut pair = Pair::connected();
    pair.client.open_stream(0).unwrap();
    pair.loss_percent = 100;
    pair.client.send(0, BINARY, b"stale", true, Reliability::LifetimeMs(100)).unwrap();
    pair.run();
    pair.advance();
    pair.loss_percent = 0;
    pair.client.send(0, BINARY, b"fresh", true, Reliability::Reliable).unwrap();
    while pair.client.buffered_amount(0).unwrap() > 0 {
        assert!(pair.advance());
    }
    let received: Vec<Vec<u8>> = messages(&mut pair.server).into_iter().map(|message| message.data).collect();
    assert_eq!(received, [b"fresh".to_vec()]);
}

#[test]
fn the_send_buffer_is_bounded_and_drains() {
    let mut pair = Pair::connected();
    pair.client.open_stream(0).unwrap();
    let message = vec![1; 65_536];
    let mut queued = 0;
    let refusal = loop {
        match pair.client.send(0, BINARY, &message, true, Reliability::Reliable) {
            Ok(()) => queued += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!((queued, refusal), (4, SctpError::BufferFull));
    let mut received = 0;
    while received < queued {
        pair.run();
        received += messages(&mut pair.server).len();
        pair.advance();
    }
    assert_eq!(pair.client.buffered_amount(0), Ok(0));
    pair.client.send(0, BINARY, &message, true, Reliability::Reliable).unwrap();
}

#[test]
fn a_reader_that_stops_slows_the_sender_down() {
    let mut pair = Pair::connected();
    pair.client.open_stream(0).unwrap();
    let mut accepted = 0;
    for _ in 0..2_000 {
        if pair.client.send(0, BINARY, &[1; 1000], true, Reliability::Reliable).is_ok() {
            accepted += 1;
        }
        pair.run();
    }
    // What the reader's window and the sender's buffer hold together, and no more.
    assert!((400..=560).contains(&accepted), "{accepted}");
    assert_eq!(pair.server.state(), State::Connected);
}
