//! Cost of the parts of a relay's decision: classify, ufrag decode, a whole check, flow look-up.
//!
//! `cargo bench --no-default-features`. Random flows are looked up, so the figures hold cache misses.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{criterion_main, BatchSize, Criterion};
use hmac::{Hmac, KeyInit, Mac};
use offhook_datapath::relay::admission::{Admission, Limits};
use offhook_datapath::relay::credentials::{Credentials, MOST_KEPT};
use offhook_datapath::relay::flow_table::{FlowKey, FlowTable};
use offhook_datapath::relay::forwarding::Forwarding;
use offhook_datapath::relay::source::SourcePrefix;
use offhook_datapath::wire::demux::classify;
use offhook_datapath::wire::endpoint::Endpoint;
use offhook_datapath::wire::stun::{parse_binding_request, IntegrityKey};
use offhook_datapath::wire::ufrag::{KeyRing, RouteToken, UFRAG_CHARS};
use sha1::Sha1;

const TOKEN: RouteToken = RouteToken { cluster_id: 1, transceiver_id: 2, nonce: 3 };
const BATCH: u32 = 64;
/// What a core carries at 200,000 packets a second.
const CALLS: u64 = 2048;

fn key_ring() -> KeyRing {
    let mut ring = KeyRing::default();
    assert!(ring.insert(b'A', &[1; 16], &[2; 32]));
    ring
}

/// A check as libwebrtc sends it: USERNAME, GOOG-NETWORK-INFO, ICE-CONTROLLING, USE-CANDIDATE, PRIORITY, signed.
fn check(ring: &KeyRing, ufrag: &[u8; UFRAG_CHARS]) -> Vec<u8> {
    let username = [&ufrag[..], b":h6vY"].concat();
    let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let attributes: [(u16, &[u8]); 5] = [
        (0x0006, &username),
        (0xC057, &[0, 0, 0, 10]),
        (0x802A, &[7; 8]),
        (0x0025, &[]),
        (0x0024, &[110, 127, 30, 255]),
    ];
    for (kind, value) in attributes {
        message.extend(kind.to_be_bytes());
        message.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        message.extend(value);
        message.resize(message.len().next_multiple_of(4), 0);
    }
    let signed = u16::try_from(message.len() + 24 - 20).unwrap();
    message[2..4].copy_from_slice(&signed.to_be_bytes());
    let mut mac = Hmac::<Sha1>::new_from_slice(&ring.ice_pwd(ufrag).unwrap()).unwrap();
    mac.update(&message);
    message.extend([0, 8, 0, 20]);
    message.extend(mac.finalize().into_bytes());
    message[2..4].copy_from_slice(&(signed + 8).to_be_bytes());
    let fingerprint = crc32fast::hash(&message) ^ 0x5354_554E;
    message.extend([0x80, 0x28, 0, 4]);
    message.extend(fingerprint.to_be_bytes());
    message
}

/// All that a relay does with the first check of a call before it touches the flow table.
fn verify_first(ring: &KeyRing, datagram: &[u8]) -> RouteToken {
    let request = parse_binding_request(datagram).unwrap();
    let token = ring.decode_ufrag(request.local_ufrag).unwrap();
    let password = ring.ice_pwd(request.local_ufrag).unwrap();
    assert!(IntegrityKey::new(&password).unwrap().verifies(datagram, request.integrity_offset));
    token
}

/// The same of any check: those after the first are cheaper.
fn verify(credentials: &mut Credentials, datagram: &[u8]) -> RouteToken {
    let request = parse_binding_request(datagram).unwrap();
    let credential = credentials.read(request.local_ufrag).unwrap();
    credentials.verify(datagram, &request, &credential).unwrap();
    credential.token
}

fn parsing(criterion: &mut Criterion) {
    let ring = key_ring();
    let ufrag = ring.mint_ufrag(b'A', &TOKEN).unwrap();
    let datagram = check(&ring, &ufrag);
    criterion.bench_function("classify", |bencher| bencher.iter(|| classify(black_box(&[0x80, 111, 0, 0]))));
    criterion.bench_function("ufrag decode", |bencher| bencher.iter(|| ring.decode_ufrag(black_box(&ufrag))));
    criterion
        .bench_function("parse check", |bencher| bencher.iter(|| parse_binding_request(black_box(&datagram)).is_ok()));
    criterion.bench_function("whole check, a call's first", |bencher| {
        bencher.iter(|| verify_first(&ring, black_box(&datagram)));
    });
    let mut credentials = Credentials::new(MOST_KEPT);
    credentials.set_keys(Arc::new(key_ring()));
    criterion.bench_function("whole check, a running call's", |bencher| {
        bencher.iter(|| verify(&mut credentials, black_box(&datagram)));
    });
    let calls: Vec<_> =
        (0..CALLS).map(|nonce| check(&ring, &ring.mint_ufrag(b'A', &RouteToken { nonce, ..TOKEN }).unwrap())).collect();
    let mut state = 1_u32;
    criterion.bench_function(&format!("whole check, running calls', {CALLS} of them at random"), |bencher| {
        bencher.iter(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            verify(&mut credentials, black_box(&calls[state as usize >> 8 & (calls.len() - 1)]))
        });
    });
}

fn key(number: u32) -> FlowKey {
    let mut host = [0; 16];
    host[10..12].copy_from_slice(&[0xFF, 0xFF]);
    host[12..].copy_from_slice(&number.to_be_bytes());
    FlowKey { client: Endpoint { host, port: 40_000 }, proxy: 0 }
}

/// Routes ufrags of [`TOKEN`]'s cluster, with a budget for so many checks.
fn forwarding(checks_per_s: f64) -> Forwarding {
    let limits = Limits {
        max_flows_per_source: 4096,
        new_flows_per_s: 2000.0,
        unproven_checks_per_s: checks_per_s,
        proven_checks_per_s: checks_per_s,
        suspect_checks_per_s: 5,
        source: SourcePrefix::new(32, 56),
    };
    let mut forwarding = Forwarding::new(
        TOKEN.cluster_id,
        Credentials::new(MOST_KEPT),
        FlowTable::new(100_000, 30_000),
        Admission::new(&limits, 1),
    );
    forwarding.set_keys(Arc::new(key_ring()));
    forwarding.set_proxy(0, key(9).client);
    forwarding.transceivers.set(TOKEN.transceiver_id, key(8).client);
    forwarding
}

/// The whole decision about a check: see `relay/engine/admission.py` for its stations.
fn checks(criterion: &mut Criterion) {
    let ring = key_ring();
    let ufrag = ring.mint_ufrag(b'A', &TOKEN).unwrap();
    let right = check(&ring, &ufrag);
    let mut wrong = right.clone();
    let length = wrong.len();
    // Without FINGERPRINT, which would tell.
    wrong.truncate(length - 8);
    wrong[3] -= 8;
    wrong[8] ^= 1;
    let mut plenty = forwarding(1e12);
    let mut none = forwarding(1e-9);
    let mut state = 1_u32;
    let mut someone = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        key(state % 1_000_000)
    };
    criterion.bench_function("whole decision about a running call's check", |bencher| {
        bencher.iter(|| plenty.from_client(black_box(&right), &key(1), 0).unwrap());
    });
    criterion.bench_function("wrong check from anywhere", |bencher| {
        bencher.iter(|| plenty.from_client(black_box(&wrong), &someone(), 0).unwrap_err());
    });
    criterion.bench_function("check from anywhere, refused over budget", |bencher| {
        bencher.iter(|| none.from_client(black_box(&wrong), &someone(), 0).unwrap_err());
    });
}

fn look_up(criterion: &mut Criterion) {
    for flows in [100, 10_000, 100_000, 1_000_000] {
        let mut table = FlowTable::new(flows.max(100_000) as usize, 30_000);
        (0..flows).for_each(|number| assert!(table.upsert_synced(&key(number), 0, false, 0)));
        let mut state = 1_u32;
        let mut batch = || {
            let keys = (0..BATCH).map(|_| {
                // Any full-period generator does.
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                key(state % flows)
            });
            keys.collect::<Vec<_>>()
        };
        criterion.bench_function(&format!("64 look-ups among {flows} flows"), |bencher| {
            let look_up_all = |keys: Vec<FlowKey>| {
                table.warm(keys.iter().copied());
                keys.iter().filter(|key| table.owner(key).is_some()).count()
            };
            bencher.iter_batched(&mut batch, look_up_all, BatchSize::SmallInput);
        });
    }
}

/// The macro makes a public function without a word on it.
#[allow(missing_docs)]
mod groups {
    criterion::criterion_group!(benches, super::parsing, super::checks, super::look_up);
}
use groups::benches;

criterion_main!(benches);
