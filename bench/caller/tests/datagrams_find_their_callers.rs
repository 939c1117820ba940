//! Envelopes and stamps: whatever leaves comes back to the caller and the packet it belongs to.

use std::net::{Ipv4Addr, SocketAddr};

use offhook_bench_caller::envelope::{self, Envelope};
use offhook_bench_caller::stamp;

fn address(text: &str) -> SocketAddr {
    text.parse().expect("a socket address")
}

#[test]
fn every_caller_has_an_address_of_its_own_that_leads_back_to_it() {
    for envelope in [Envelope::Plain(Ipv4Addr::new(127, 64, 0, 1)), Envelope::Spp(address("127.0.0.1:7000"))] {
        for slot in [0, 1, 255, 256, 70_000, 999_999] {
            assert_eq!(envelope.slot(envelope.client(slot, 5000)), Some(slot));
        }
        assert_eq!(envelope.slot(address("9.9.9.9:5000")), None);
        assert_eq!(envelope.slot(address("[::1]:5000")), None);
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal");
    digits.chunks(2).map(byte).collect()
}

#[test]
fn the_envelope_is_that_of_the_golden_vectors() {
    let text = include_str!("../../../proto/vectors/spp.json");
    let vectors: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let vectors = vectors["round_trip"].as_array().expect("a list");
    assert!(!vectors.is_empty());
    for vector in vectors {
        let lines = vector["datagram"].as_array().expect("a list");
        let hex: String = lines.iter().filter_map(|line| line.as_str()?.split(';').next()).collect();
        let datagram = unhex(&hex);
        let text = |key: &str| vector[key].as_str().expect("text");
        let (client, proxy) = (address(text("client")), address(text("proxy")));
        let payload = unhex(text("payload"));
        assert_eq!(envelope::decode(&datagram), Some((client, proxy, &payload[..])), "{}", vector["name"]);
        let mut encoded = Vec::new();
        envelope::encode(&mut encoded, client, proxy);
        encoded.extend_from_slice(&payload);
        assert_eq!(encoded, datagram, "{}", vector["name"]);
    }
}

#[test]
fn a_datagram_without_a_header_is_none() {
    assert_eq!(envelope::decode(&[0x56, 0xEC, 0, 0]), None);
    assert_eq!(envelope::decode(&[0; 60]), None);
}

#[test]
fn a_number_comes_back_and_what_is_not_ours_has_none() {
    let payload = stamp::stamped(7, 4_000_000_000, None);
    assert_eq!(payload.len(), stamp::PAYLOAD_BYTES);
    assert_eq!(stamp::number(7, &payload), Some(4_000_000_000));
    assert_eq!(stamp::number(8, &payload), None);
    assert_eq!(stamp::number(7, &payload[..8]), None);
    assert_eq!(stamp::number(7, &[0x78; 160]), None);
}
