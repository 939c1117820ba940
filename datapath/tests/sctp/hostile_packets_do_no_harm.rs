//! Whatever bytes arrive, nothing panics, nothing grows without bound, and a working association stays one.

use crate::pair::{messages, Dice, Pair, LIMITS};
use offhook_datapath::sctp::{Reliability, Sctp, State};

const BINARY: u32 = 53;

#[test]
fn garbage_is_dropped() {
    let mut dice = Dice(7);
    let mut pair = Pair::connected();
    for length in 0..3000 {
        let datagram: Vec<u8> = (0..length).map(|_| dice.byte()).collect();
        assert!(!pair.server.receive(&datagram, 1.0).unwrap(), "length {length}");
    }
    assert_eq!(pair.server.state(), State::Connected);
}

/// RFC 9260 appendix A: `CRC32c` of the packet with the checksum field zero, least significant byte first.
fn with_checksum(mut datagram: Vec<u8>) -> Vec<u8> {
    datagram[8..12].fill(0);
    let mut crc = !0u32;
    for byte in &datagram {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    datagram[8..12].copy_from_slice(&(!crc).to_le_bytes());
    datagram
}

/// Real packets of one conversation, from the client to the server.
fn conversation() -> (Pair, Vec<Vec<u8>>) {
    let mut pair = Pair::new();
    let mut packets = Vec::new();
    let mut opened = false;
    for _ in 0..6 {
        if pair.client.state() == State::Connected {
            if !opened {
                pair.client.open_stream(1).unwrap();
                opened = true;
            }
            pair.client.send(1, BINARY, &[9; 3000], true, Reliability::Retransmits(1)).unwrap();
        }
        for datagram in pair.client.take_datagrams() {
            packets.push(datagram.to_vec());
            pair.server.receive(&datagram, 0.0).unwrap();
        }
        for datagram in pair.server.take_datagrams() {
            pair.client.receive(&datagram, 0.0).unwrap();
        }
    }
    pair.client.close_stream(1).unwrap();
    packets.extend(pair.client.take_datagrams().iter().map(|datagram| datagram.to_vec()));
    assert!(packets.len() > 8);
    (pair, packets)
}

#[test]
fn mutated_packets_with_good_checksums_never_panic() {
    let mut dice = Dice(99);
    for _ in 0..60 {
        let (mut pair, packets) = conversation();
        for _ in 0..60 {
            let mut datagram = packets[dice.below(packets.len())].clone();
            for _ in 0..=dice.below(4) {
                // The tag stays, so that the packet is one of this association's.
                let at = 12 + dice.below(datagram.len() - 12);
                datagram[at] = dice.byte();
            }
            if dice.below(4) == 0 {
                datagram.truncate(12 + dice.below(datagram.len() - 12));
            }
            pair.server.receive(&with_checksum(datagram), 0.0).unwrap();
            pair.server.take_datagrams();
            messages(&mut pair.server);
            pair.server.handle_timeout(0.5).unwrap();
        }
    }
}

#[test]
fn an_oversized_packet_is_dropped() {
    let mut pair = Pair::connected();
    pair.client.open_stream(0).unwrap();
    pair.client.send(0, BINARY, b"x", true, Reliability::Reliable).unwrap();
    let mut datagram = pair.client.take_datagrams()[0].to_vec();
    datagram.resize(2049, 0);
    assert!(!pair.server.receive(&with_checksum(datagram), 0.0).unwrap());
}

#[test]
fn a_late_copy_of_the_init_does_not_end_the_association() {
    let mut pair = Pair::new();
    let init = pair.client.take_datagrams()[0].clone();
    pair.server.receive(&init, 0.0).unwrap();
    pair.run();
    assert_eq!(pair.server.state(), State::Connected);
    assert!(!pair.server.receive(&init, 0.1).unwrap());
    assert_eq!(pair.server.state(), State::Connected);
}

#[test]
fn a_second_association_is_refused() {
    let mut pair = Pair::connected();
    let mut stranger = Sctp::new(true, LIMITS, 0.0).unwrap();
    for datagram in stranger.take_datagrams() {
        assert!(!pair.server.receive(&datagram, 0.0).unwrap());
    }
    assert!(pair.server.take_datagrams().is_empty());
}

#[test]
fn a_peer_that_opens_streams_without_end_is_cut_off() {
    let mut pair = Pair::connected();
    pair.client.open_stream(0).unwrap();
    pair.client.send(0, BINARY, b"x", true, Reliability::Reliable).unwrap();
    let datagram = pair.client.take_datagrams()[0].to_vec();
    let first_tsn = u32::from_be_bytes(datagram[16..20].try_into().unwrap());
    for stream_id in 0..2000u16 {
        let mut forged = datagram.clone();
        forged[16..20].copy_from_slice(&first_tsn.wrapping_add(u32::from(stream_id)).to_be_bytes());
        forged[20..22].copy_from_slice(&stream_id.to_be_bytes());
        pair.server.receive(&with_checksum(forged), 0.0).unwrap();
        messages(&mut pair.server);
    }
    assert_eq!(pair.server.state(), State::Closed);
    assert_eq!(pair.server.close_reason(), Some("the peer opened too many streams"));
}

/// One packet of `count` DATA chunks of one byte each, the first with TSN `tsn`, none of them the last of its message.
fn fragments(sample: &[u8], tsn: u32, count: u32) -> Vec<u8> {
    let mut datagram = sample[..12].to_vec();
    for n in 0..count {
        datagram.extend([0, 0, 0, 17]);
        datagram.extend(tsn.wrapping_add(n).to_be_bytes());
        datagram.extend([0, 0, 0, 0, 0, 0, 0, 53, 7, 0, 0, 0]);
    }
    with_checksum(datagram)
}

#[test]
fn a_message_in_countless_fragments_is_cut_off() {
    let mut pair = Pair::connected();
    pair.client.open_stream(0).unwrap();
    pair.client.send(0, BINARY, b"x", true, Reliability::Reliable).unwrap();
    let sample = pair.client.take_datagrams()[0].to_vec();
    let mut tsn = u32::from_be_bytes(sample[16..20].try_into().unwrap());
    let mut accepted = 0;
    while pair.server.receive(&fragments(&sample, tsn, 50), 0.0).unwrap() {
        pair.server.take_datagrams();
        tsn = tsn.wrapping_add(50);
        accepted += 50;
    }
    assert_eq!(accepted, 2000);
    assert_eq!(pair.server.close_reason(), Some("the peer left too many fragments"));
}

#[test]
fn a_long_conversation_is_not_taken_for_an_attack() {
    let mut pair = Pair::connected();
    pair.client.open_stream(0).unwrap();
    let mut received = 0;
    for _ in 0..5_000 {
        // Every packet twice: what is counted in twice and out once must not add up.
        pair.client.send(0, BINARY, &[1; 200], true, Reliability::Reliable).unwrap();
        for datagram in pair.client.take_datagrams() {
            pair.server.receive(&datagram, pair.now).unwrap();
            pair.server.receive(&datagram, pair.now).unwrap();
        }
        received += messages(&mut pair.server).len();
        pair.run();
    }
    assert_eq!((received, pair.server.state()), (5_000, State::Connected));
}
