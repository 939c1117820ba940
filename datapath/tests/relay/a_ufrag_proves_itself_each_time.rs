//! What is kept of a running call's ufrag makes its checks cheaper and never less strict.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use offhook_datapath::relay::credentials::Credentials;
use offhook_datapath::wire::drop_reason::DropReason;
use offhook_datapath::wire::stun::{parse_binding_request, IntegrityKey};
use offhook_datapath::wire::ufrag::{KeyRing, RouteToken, UFRAG_CHARS};
use proptest::prelude::*;
use sha1::Sha1;

type Ufrag = [u8; UFRAG_CHARS];

fn ring(id: u8, secret: u8) -> Arc<KeyRing> {
    let mut ring = KeyRing::default();
    assert!(ring.insert(id, &[secret; 16], &[secret; 32]));
    Arc::new(ring)
}

fn mint(ring: &KeyRing, nonce: u64) -> Ufrag {
    ring.mint_ufrag(b'A', &RouteToken { cluster_id: 1, transceiver_id: 2, nonce }).unwrap()
}

/// A Binding request with USERNAME and MESSAGE-INTEGRITY.
fn check(ufrag: &Ufrag, password: &[u8]) -> Vec<u8> {
    let username = [&ufrag[..], b":them"].concat(); // 28 bytes: no padding
    let mut message = vec![0, 1, 0, 4 + 28 + 24, 0x21, 0x12, 0xA4, 0x42];
    message.extend([9; 12]);
    message.extend([0, 6, 0, 28]);
    message.extend(username);
    let mac = Hmac::<Sha1>::new_from_slice(password).unwrap().chain_update(&message).finalize();
    message.extend([0, 8, 0, 20]);
    message.extend(mac.into_bytes());
    message
}

fn good_check(ring: &KeyRing, ufrag: &Ufrag) -> Vec<u8> {
    check(ufrag, &ring.ice_pwd(ufrag).unwrap())
}

fn verify(credentials: &mut Credentials, datagram: &[u8]) -> Result<RouteToken, DropReason> {
    let request = parse_binding_request(datagram)?;
    let credential = credentials.read(request.local_ufrag)?;
    credentials.verify(datagram, &request, &credential).map(|()| credential.token)
}

/// The same with nothing kept.
fn verify_anew(ring: &KeyRing, datagram: &[u8]) -> Result<RouteToken, DropReason> {
    let request = parse_binding_request(datagram)?;
    let token = ring.decode_ufrag(request.local_ufrag)?;
    let key = ring.ice_pwd(request.local_ufrag).and_then(|password| IntegrityKey::new(&password)).unwrap();
    key.verifies(datagram, request.integrity_offset).then_some(token).ok_or(DropReason::BadIntegrity)
}

fn with_keys(ring: &Arc<KeyRing>) -> Credentials {
    let mut credentials = Credentials::new(1000);
    credentials.set_keys(Arc::clone(ring));
    credentials
}

#[test]
fn a_kept_ufrag_with_any_wrong_bit_in_its_check_is_refused() {
    let ring = ring(b'A', 1);
    let mut credentials = with_keys(&ring);
    let ufrag = mint(&ring, 1);
    let good = good_check(&ring, &ufrag);
    assert!(verify(&mut credentials, &good).is_ok() && credentials.keeps(&ufrag));
    for bit in 0..good.len() * 8 {
        let mut wrong = good.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&mut credentials, &wrong).is_err(), "bit {bit}");
    }
    assert!(verify(&mut credentials, &good).is_ok() && credentials.keeps(&ufrag));
}

#[test]
fn another_calls_password_does_not_do() {
    let ring = ring(b'A', 1);
    let mut credentials = with_keys(&ring);
    let (mine, yours) = (mint(&ring, 1), mint(&ring, 2));
    for ufrag in [&mine, &yours] {
        assert!(verify(&mut credentials, &good_check(&ring, ufrag)).is_ok());
    }
    let forged = check(&yours, &ring.ice_pwd(&mine).unwrap());
    assert_eq!(verify(&mut credentials, &forged), Err(DropReason::BadIntegrity));
}

#[test]
fn a_failing_check_leaves_nothing_behind() {
    let ring = ring(b'A', 1);
    let mut credentials = with_keys(&ring);
    let ufrag = mint(&ring, 1);
    assert_eq!(verify(&mut credentials, &check(&ufrag, b"a guess")), Err(DropReason::BadIntegrity));
    assert!(!credentials.keeps(&ufrag));
}

#[test]
fn nothing_outlives_its_key() {
    let old = ring(b'A', 1);
    let mut credentials = with_keys(&old);
    let ufrag = mint(&old, 1);
    let good = good_check(&old, &ufrag);
    assert!(verify(&mut credentials, &good).is_ok());
    credentials.set_keys(ring(b'B', 1));
    assert!(!credentials.keeps(&ufrag));
    assert_eq!(verify(&mut credentials, &good), Err(DropReason::UnknownKey));
    // The same id with another secret, which is an operator's mistake.
    credentials.set_keys(ring(b'A', 2));
    assert_eq!(verify(&mut credentials, &good), Err(DropReason::ForgedUfrag));
    credentials.set_keys(old);
    assert!(!credentials.keeps(&ufrag) && verify(&mut credentials, &good).is_ok());
}

#[test]
fn a_flood_of_forged_checks_pushes_nobody_out() {
    let ring = ring(b'A', 1);
    let mut credentials = with_keys(&ring);
    let calls: Vec<Ufrag> = (0..500).map(|nonce| mint(&ring, nonce)).collect();
    for ufrag in &calls {
        assert!(verify(&mut credentials, &good_check(&ring, ufrag)).is_ok());
    }
    let kept: Vec<&Ufrag> = calls.iter().filter(|ufrag| credentials.keeps(*ufrag)).collect();
    assert!(kept.len() > 400, "{} of {}", kept.len(), calls.len());
    for nonce in 1000..9_000 {
        // Ufrags that somebody has overheard, with passwords that he guesses.
        assert_eq!(verify(&mut credentials, &check(&mint(&ring, nonce), b"a guess")), Err(DropReason::BadIntegrity));
    }
    assert!(kept.iter().all(|ufrag| credentials.keeps(*ufrag)));
}

#[test]
fn more_calls_than_places_are_verified_all_the_same() {
    let ring = ring(b'A', 1);
    let mut credentials = with_keys(&ring);
    let calls: Vec<Ufrag> = (0..3_000).map(|nonce| mint(&ring, nonce)).collect();
    for ufrag in calls.iter().chain(&calls) {
        let good = good_check(&ring, ufrag);
        assert_eq!(verify(&mut credentials, &good), verify_anew(&ring, &good));
        assert!(credentials.keeps(ufrag));
    }
    let kept = calls.iter().filter(|ufrag| credentials.keeps(*ufrag)).count();
    assert!((800..=1000).contains(&kept), "{kept} of {} are kept", calls.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever checks come in whatever order, and whichever of two secrets is in force meanwhile.
    #[test]
    fn what_is_kept_changes_no_verdict(steps in prop::collection::vec((0_u64..8, 0_u8..4, any::<bool>()), 1..200)) {
        let rings = [ring(b'A', 1), ring(b'A', 2)];
        let mut current = 0;
        let mut credentials = with_keys(&rings[current]);
        for (nonce, kind, minted_by_other) in steps {
            if kind == 3 && minted_by_other {
                current = 1 - current;
                credentials.set_keys(Arc::clone(&rings[current]));
            }
            let minter = &rings[if minted_by_other { 1 - current } else { current }];
            let ufrag = mint(minter, nonce);
            let password = minter.ice_pwd(if kind == 2 { mint(minter, nonce + 1) } else { ufrag }.as_slice()).unwrap();
            let mut datagram = check(&ufrag, &password);
            if kind == 1 {
                *datagram.last_mut().unwrap() ^= 1;
            }
            prop_assert_eq!(verify(&mut credentials, &datagram), verify_anew(&rings[current], &datagram));
        }
    }
}
