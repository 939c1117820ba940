//! Test vectors of RFC 3711 and RFC 7714. That libsrtp agrees is tested from Python.

use offhook_datapath::media::srtp::cipher::{Cipher, Gcm, GcmKeys};
use offhook_datapath::media::srtp::keys::{apply_keystream, counter_mode_key, Label, MasterKey};
use offhook_datapath::media::srtp::{BadKey, Inbound, Outbound, Profile};

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SALT: &str = "517569642070726f2071756f";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn gcm(key: &str) -> Cipher {
    let keys = || GcmKeys::new(&hex(key), hex(SALT).try_into().unwrap()).unwrap();
    Cipher::Gcm(Box::new(Gcm { rtp: keys(), rtcp: keys() }))
}

#[test]
fn session_keys_rfc_3711_b_3() {
    let master = hex("e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6");
    let master = MasterKey::new(Profile::Aes128CmSha1_80, &master).unwrap();
    let key = master.derive::<16>(Label::RtpKey).unwrap();
    let salt = master.derive::<14>(Label::RtpSalt).unwrap();
    let authentication = master.derive::<20>(Label::RtpAuthentication).unwrap();
    assert_eq!(key[..], hex("c61e7a93744f39ee10734afe3ff7a087"));
    assert_eq!(salt[..], hex("30cbbc08863d8c85d49db34a9ae1"));
    assert_eq!(authentication[..], hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
}

#[test]
fn keystream_rfc_3711_b_2() {
    let key = counter_mode_key(&hex("2b7e151628aed2a6abf7158809cf4f3c")).unwrap();
    let start = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000").try_into().unwrap();
    let mut stream = vec![0; 32];
    apply_keystream(&key, &start, &mut stream).unwrap();
    assert_eq!(stream, hex("e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab"));
}

#[test]
fn srtp_rfc_7714_16_1() {
    let plain = hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573");
    let sealed = hex("8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833 899d7f27 beb16a91 52cf765e e4390cce");
    let cipher = gcm(KEY_128);
    let mut packet = plain.clone();
    cipher.seal_rtp(&mut packet, 0, 12, 0x5501_a0b2, 0xf17b).unwrap();
    assert_eq!(packet, sealed);
    let length = cipher.open_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b).unwrap();
    assert_eq!(packet[..length], plain);
}

#[test]
fn srtcp_rfc_7714_17_2() {
    let plain = hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef");
    let sealed = hex("81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4");
    let cipher = gcm(KEY_256);
    let mut packet = plain.clone();
    cipher.seal_rtcp(&mut packet, 0, 0x4d61_7273, 0x5d4).unwrap();
    assert_eq!(packet, sealed);
    assert_eq!(cipher.rtcp_index(&packet), (true, 0x5d4));
    let length = cipher.open_rtcp(&mut packet, 0x4d61_7273, 0x5d4).unwrap();
    assert_eq!(packet[..length], plain);
}

/// A packet that other implementations test themselves with, too: master key and salt are those of RFC 3711 B.3.
#[test]
fn whole_packet_with_hmac() {
    let master = hex("e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6");
    let plain = hex("800f1234 decafbad cafebabe abababab abababab abababab abababab");
    let sealed = hex("800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb");
    let mut outbound = Outbound::new(Profile::Aes128CmSha1_80, &master).unwrap();
    let mut packet = plain.clone();
    outbound.seal_rtp(&mut packet, 0).unwrap();
    assert_eq!(packet, sealed);
    let mut inbound = Inbound::new(Profile::Aes128CmSha1_80, &master).unwrap();
    let length = inbound.open_rtp(&mut packet).unwrap();
    assert_eq!(packet[..length], plain);
}

#[test]
fn keying_material_of_another_length_is_refused() {
    for profile in Profile::ALL {
        let right = profile.key_bytes() + profile.salt_bytes();
        for length in [0, profile.key_bytes(), right - 1, right + 1] {
            assert_eq!(Inbound::new(profile, &vec![1; length]).err(), Some(BadKey));
        }
        assert!(Outbound::new(profile, &vec![1; right]).is_ok());
    }
}
