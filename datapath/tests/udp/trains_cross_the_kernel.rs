//! What is sent as a train arrives whole with GRO and as single datagrams without, over loopback of either family.

use std::io::{ErrorKind, IoSlice};
use std::net::UdpSocket;

use offhook_datapath::udp::{
    open, receive, send_each, send_train, Outgoing, Received, SocketOptions, BATCH, GRO_BYTES,
};
use offhook_datapath::wire::endpoint::Endpoint;

const HOSTS: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

fn socket(host: &str, gro: bool) -> UdpSocket {
    open(host.parse().unwrap(), SocketOptions { gro, dscp: true, buffer_bytes: 1 << 20, ..SocketOptions::default() })
        .unwrap()
}

fn address(socket: &UdpSocket) -> Endpoint {
    socket.local_addr().unwrap().into()
}

/// Everything that waits, in one call. Loopback delivers before the send returns.
fn received(socket: &UdpSocket, slot_bytes: usize, headroom: usize) -> Vec<(Received, Vec<u8>)> {
    let mut buffer = vec![0; slot_bytes * BATCH];
    let mut received = [Received::NONE; BATCH];
    let count = receive(socket, &mut buffer, slot_bytes, headroom, &mut received).unwrap();
    let payload = |slot: &[u8], bytes: usize| slot[headroom..][..bytes.min(slot_bytes - headroom)].to_vec();
    let slots = buffer.chunks(slot_bytes);
    received[..count].iter().zip(slots).map(|(message, slot)| (*message, payload(slot, message.bytes))).collect()
}

#[test]
fn a_train_arrives_whole() {
    for host in HOSTS {
        let (sender, receiver) = (socket(host, false), socket(host, true));
        let segments: Vec<Vec<u8>> =
            (0..64_u8).map(|number| vec![number; if number < 63 { 210 } else { 50 }]).collect();
        let slices: Vec<IoSlice> = segments.iter().map(|segment| IoSlice::new(segment)).collect();
        send_train(&sender, &address(&receiver), 210, 46, &slices).unwrap();
        let [(message, bytes)] = &received(&receiver, GRO_BYTES, 0)[..] else { panic!("one message") };
        assert_eq!((message.source, message.segment_bytes, message.dscp), (address(&sender), 210, 46));
        assert_eq!(*bytes, segments.concat());
    }
}

#[test]
fn without_gro_it_arrives_in_datagrams() {
    for host in HOSTS {
        let (sender, receiver) = (socket(host, false), socket(host, false));
        let segments = [IoSlice::new(b"one"), IoSlice::new(b"two"), IoSlice::new(b"3")];
        send_train(&sender, &address(&receiver), 3, 10, &segments).unwrap();
        let arrived = received(&receiver, 100, 38);
        assert!(arrived.iter().all(|(message, _)| message.dscp == 10));
        let datagrams: Vec<Vec<u8>> = arrived.into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(datagrams, [b"one".to_vec(), b"two".to_vec(), b"3".to_vec()]);
    }
}

#[test]
fn a_batch_arrives_in_order_with_its_lengths() {
    for host in HOSTS {
        let (sender, receiver) = (socket(host, false), socket(host, false));
        let payloads = [(&b"first"[..], 46), (b"", 0), (&[7; 90], 63)];
        let outgoing = payloads.map(|(datagram, dscp)| Outgoing { destination: address(&receiver), datagram, dscp });
        assert_eq!(send_each(&sender, &outgoing).unwrap(), 3);
        let arrived = received(&receiver, 100, 38);
        assert!(arrived.iter().all(|(message, _)| message.source == address(&sender)));
        let lengths: Vec<_> =
            arrived.iter().map(|(message, _)| (message.bytes, message.segment_bytes, message.dscp)).collect();
        assert_eq!(lengths, [(5, 5, 46), (0, 0, 0), (90, 90, 63)]);
        // 62 bytes fit behind the headroom: the length on the wire says that something is missing.
        let bytes: Vec<_> = arrived.into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(bytes, [b"first".to_vec(), Vec::new(), vec![7; 62]]);
    }
}

#[test]
fn a_batch_ends_before_what_cannot_be_sent() {
    let (sender, receiver) = (socket(HOSTS[0], false), socket(HOSTS[0], false));
    let foreign = Endpoint { host: [0x20; 16], port: 9 };
    let outgoing = [address(&receiver), foreign].map(|destination| Outgoing { destination, datagram: b"x", dscp: 0 });
    assert_eq!(send_each(&sender, &outgoing).unwrap(), 1);
    assert!(send_each(&sender, &outgoing[1..]).is_err());
    assert!(send_train(&sender, &foreign, 1, 0, &[IoSlice::new(b"x"), IoSlice::new(b"y")]).is_err());
}

#[test]
fn nothing_waiting_would_block() {
    let mut received = [Received::NONE; 1];
    let error = receive(socket(HOSTS[0], false), &mut [0; 100], 100, 0, &mut received).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}
