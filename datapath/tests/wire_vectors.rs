//! The golden vectors of `proto/vectors/` hold for the native formats, as they do for the Python ones.

use std::net::SocketAddr;

use offhook_datapath::wire::demux::{classify, Kind};
use offhook_datapath::wire::drop_reason::DropReason;
use offhook_datapath::wire::endpoint::Endpoint;
use offhook_datapath::wire::spp::{SppHeader, HEADER_BYTES};
use offhook_datapath::wire::stun::{message_class, parse_binding_request, IntegrityKey, StunClass};
use offhook_datapath::wire::ufrag::{KeyRing, RouteToken};
use serde_json::Value;

fn load(name: &str) -> Value {
    let path = format!("{}/../proto/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("vectors are JSON")
}

fn cases<'a>(file: &'a Value, section: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let cases = file[section].as_array().expect("a section is a list");
    assert!(!cases.is_empty());
    cases.iter().map(|case| (case["name"].as_str().unwrap_or(""), case))
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{field} is text in {case}"))
}

/// Hexadecimal digits, in one string or in lines with comments after a `;`.
fn bytes(value: &Value) -> Vec<u8> {
    let lines = value.as_array().map_or_else(|| vec![value], |lines| lines.iter().collect());
    let digits: String = lines
        .into_iter()
        .flat_map(|line| line.as_str().expect("hexadecimal").split(';').next().unwrap().split_whitespace())
        .collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().expect("the length of the field")
}

fn kind_slug(kind: Kind) -> &'static str {
    match kind {
        Kind::Stun => "stun",
        Kind::Dtls => "dtls",
        Kind::Srtp => "srtp",
        Kind::Srtcp => "srtcp",
        Kind::Zrtp => "zrtp",
        Kind::TurnChannel => "turn_channel",
        Kind::Quic => "quic",
        Kind::Unknown => "unknown",
    }
}

fn class_slug(class: StunClass) -> &'static str {
    match class {
        StunClass::Request => "request",
        StunClass::Indication => "indication",
        StunClass::Success => "success",
        StunClass::Error => "error",
    }
}

#[test]
fn drop_reasons_are_pythons_in_pythons_order() {
    let file = load("drop_reasons");
    let slugs: Vec<_> = DropReason::ALL.iter().map(|reason| reason.slug()).collect();
    let expected: Vec<_> = file["drop_reasons"].as_array().unwrap().iter().map(|slug| slug.as_str().unwrap()).collect();
    assert_eq!(slugs, expected);
    assert!(DropReason::ALL.iter().enumerate().all(|(index, &reason)| reason as usize == index));
}

#[test]
fn demux() {
    for (name, case) in cases(&load("demux"), "cases") {
        assert_eq!(kind_slug(classify(&bytes(&case["datagram"]))), text(case, "kind"), "{name}");
    }
}

#[test]
fn stun_header_and_request() {
    for (name, case) in cases(&load("stun"), "cases") {
        let datagram = bytes(&case["datagram"]);
        assert_eq!(message_class(&datagram).map(class_slug), case["class"].as_str(), "{name}");
        match parse_binding_request(&datagram) {
            Err(reason) => assert_eq!(Some(reason.slug()), case["drop"].as_str(), "{name}"),
            Ok(request) => {
                let expected = &case["request"];
                assert_eq!(request.transaction_id, bytes(&expected["transaction_id"]), "{name}");
                assert_eq!(request.local_ufrag, text(expected, "local_ufrag").as_bytes(), "{name}");
                assert_eq!(request.remote_ufrag, text(expected, "remote_ufrag").as_bytes(), "{name}");
                assert_eq!(Some(request.integrity_offset as u64), expected["integrity_offset"].as_u64(), "{name}");
            }
        }
    }
}

#[test]
fn stun_integrity() {
    for (name, case) in cases(&load("stun"), "cases") {
        let datagram = bytes(&case["datagram"]);
        for check in case["integrity"].as_array().into_iter().flatten() {
            let offset = usize::try_from(check["offset"].as_u64().unwrap()).unwrap();
            let key = IntegrityKey::new(text(check, "password").as_bytes()).unwrap();
            let valid = key.verifies(&datagram, offset);
            assert_eq!(Some(valid), check["valid"].as_bool(), "{name}");
        }
    }
}

fn token(case: &Value) -> RouteToken {
    let field = |name: &str| case["token"][name].as_u64().expect("a number");
    RouteToken {
        cluster_id: field("cluster_id").try_into().unwrap(),
        transceiver_id: field("transceiver_id").try_into().unwrap(),
        nonce: field("nonce"),
    }
}

fn ring(file: &Value, ids: &[&str]) -> KeyRing {
    let mut ring = KeyRing::default();
    for (_, key) in cases(file, "keys").filter(|(_, key)| ids.contains(&text(key, "id"))) {
        assert!(ring.insert(text(key, "id").as_bytes()[0], &array(&key["block_key"]), &array(&key["password_key"])));
    }
    ring
}

#[test]
fn minted_ufrags_and_passwords() {
    let file = load("ufrag");
    for (name, case) in cases(&file, "mint") {
        let ring = ring(&file, &[text(case, "key")]);
        let ufrag = text(case, "ufrag").as_bytes();
        let minted = ring.mint_ufrag(text(case, "key").as_bytes()[0], &token(case)).expect("the key is held");
        assert_eq!(minted, ufrag, "{name}");
        assert_eq!(ring.decode_ufrag(ufrag), Ok(token(case)), "{name}");
        assert_eq!(ring.ice_pwd(ufrag).unwrap(), text(case, "ice_pwd").as_bytes(), "{name}");
    }
}

#[test]
fn decoded_ufrags() {
    let file = load("ufrag");
    for (name, case) in cases(&file, "decode_ufrag") {
        let ids: Vec<_> = case["ring"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        // Each character is the byte of its code point.
        let ufrag: Vec<u8> = text(case, "ufrag").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        match ring(&file, &ids).decode_ufrag(&ufrag) {
            Ok(decoded) => assert_eq!(decoded, token(case), "{name}"),
            Err(reason) => assert_eq!(Some(reason.slug()), case["drop"].as_str(), "{name}"),
        }
    }
}

#[test]
fn spp_round_trip() {
    for (name, case) in cases(&load("spp"), "round_trip") {
        let endpoint = |field| Endpoint::from(text(case, field).parse::<SocketAddr>().unwrap());
        let datagram = bytes(&case["datagram"]);
        let expected = SppHeader { client: endpoint("client"), proxy: endpoint("proxy") };
        let mut header = [0; HEADER_BYTES];
        expected.write(&mut header);
        assert_eq!(header, datagram[..HEADER_BYTES], "{name}");
        assert_eq!(SppHeader::read(&datagram), Ok((expected, &bytes(&case["payload"])[..])), "{name}");
    }
}

#[test]
fn spp_refusals() {
    for (name, case) in cases(&load("spp"), "decode_only") {
        let refused = SppHeader::read(&bytes(&case["datagram"])).unwrap_err();
        assert_eq!(refused.slug(), text(case, "drop"), "{name}");
    }
}
