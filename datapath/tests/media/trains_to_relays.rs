//! A port on real sockets: what it collects leaves as trains, in order, each relay's to each relay.

use std::net::UdpSocket;
use std::ops::ControlFlow;

use offhook_datapath::media::core::Incoming;
use offhook_datapath::media::outbox::MAX_QUEUED;
use offhook_datapath::media::port::Port;
use offhook_datapath::udp::{open, receive, Received, SocketOptions, BATCH, GRO_BYTES};
use offhook_datapath::wire::endpoint::Endpoint;
use offhook_datapath::wire::spp::{SppHeader, HEADER_BYTES};

fn relay() -> (UdpSocket, Endpoint) {
    let options = SocketOptions { gro: true, buffer_bytes: 1 << 22, ..SocketOptions::default() };
    let socket = open("127.0.0.1:0".parse().unwrap(), options).unwrap();
    let address = socket.local_addr().unwrap().into();
    (socket, address)
}

fn port() -> (Port, Endpoint) {
    let port = Port::open("127.0.0.1:0".parse().unwrap(), 46, 1 << 22).unwrap();
    let address = port.socket().local_addr().unwrap().into();
    (port, address)
}

fn client(number: u16) -> SppHeader {
    let host = |last| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, last];
    SppHeader { client: Endpoint { host: host(1), port: number }, proxy: Endpoint { host: host(2), port: 3478 } }
}

/// Messages that wait: length of each and of its datagrams, and all datagrams without their envelope.
fn received(socket: &UdpSocket) -> (Vec<(usize, usize)>, Vec<Vec<u8>>) {
    let (mut messages, mut datagrams) = (Vec::new(), Vec::new());
    let mut buffer = vec![0; BATCH * GRO_BYTES];
    let mut found = [Received::NONE; BATCH];
    while let Ok(count) = receive(socket, &mut buffer, GRO_BYTES, 0, &mut found) {
        for (message, slot) in found[..count].iter().zip(buffer.chunks(GRO_BYTES)) {
            messages.push((message.bytes, message.segment_bytes));
            datagrams
                .extend(slot[..message.bytes].chunks(message.segment_bytes).map(|each| each[HEADER_BYTES..].to_vec()));
        }
    }
    (messages, datagrams)
}

#[test]
fn datagrams_of_many_sessions_share_a_train() {
    let (mut port, _) = port();
    let ((first, first_address), (second, second_address)) = (relay(), relay());
    for number in 0..50 {
        let relay = if number < 40 { first_address } else { second_address };
        let path = port.bind(&client(number), u64::from(number), relay);
        port.send(Some(path), &[u8::try_from(number).unwrap(); 100]);
    }
    assert_eq!(port.counters().datagrams_sent, 0, "nothing leaves before the flush");
    port.flush();
    let (messages, datagrams) = received(&first);
    assert_eq!(messages, [(40 * 138, 138)]);
    assert!(datagrams.iter().map(|datagram| datagram[0]).eq(0..40));
    assert_eq!(received(&second).1.len(), 10);
    assert_eq!((port.counters().datagrams_sent, port.counters().bytes_sent), (50, 5000));
}

#[test]
fn order_within_a_flow_is_kept_whatever_the_sizes_and_however_many() {
    let (mut port, _) = port();
    let (socket, address) = relay();
    let path = port.bind(&client(1), 1, address);
    let count = MAX_QUEUED + 100;
    for number in 0..count {
        let mut datagram = u32::try_from(number).unwrap().to_be_bytes().to_vec();
        datagram.resize(10 + number % 7, 0);
        port.send(Some(path), &datagram);
    }
    port.flush();
    let (_, datagrams) = received(&socket);
    let numbers: Vec<usize> =
        datagrams.iter().map(|datagram| usize::from(datagram[2]) << 8 | usize::from(datagram[3])).collect();
    assert!(numbers.into_iter().eq(0..count));
}

#[test]
fn what_stands_alone_is_not_overtaken_by_a_train() {
    let (mut port, _) = port();
    let (socket, address) = relay();
    let (one, other) = (port.bind(&client(1), 1, address), port.bind(&client(2), 2, address));
    for (path, number, length) in [(one, 1, 10), (one, 2, 12), (one, 3, 20), (other, 4, 15)] {
        port.send(Some(path), &vec![number; length]);
    }
    port.flush();
    let (_, datagrams) = received(&socket);
    let first: Vec<u8> = datagrams.iter().map(|datagram| datagram[0]).filter(|&number| number < 4).collect();
    assert_eq!(first, [1, 2, 3]);
}

#[test]
fn a_train_is_taken_apart_and_an_interruption_loses_nothing() {
    let (mut port, address) = port();
    let (socket, relay_address) = relay();
    port.accept_relays([relay_address], Vec::new());
    let mut header = [0; HEADER_BYTES];
    client(7).write(&mut header);
    let segments: Vec<Vec<u8>> = (0..20_u8).map(|number| [&header[..], &[0, 0, number, 0]].concat()).collect();
    let slices: Vec<_> = segments.iter().map(|segment| std::io::IoSlice::new(segment)).collect();
    offhook_datapath::udp::send_train(&socket, &address, 42, 0, &slices).unwrap();
    socket.send_to(&[], std::net::SocketAddr::from(address)).unwrap();
    port.fill();
    let mut seen = Vec::new();
    loop {
        let before = seen.len();
        port.drain(0.0, |incoming, sender| {
            let Incoming::Stun(datagram) = incoming else { panic!("a check") };
            assert_eq!(sender, relay_address);
            seen.push(datagram[HEADER_BYTES + 2]);
            ControlFlow::Break(())
        });
        if seen.len() == before {
            break;
        }
    }
    assert!(seen.into_iter().eq(0..20));
    assert_eq!(port.counters().datagrams_received, 21, "the empty one is counted and dropped");
}
