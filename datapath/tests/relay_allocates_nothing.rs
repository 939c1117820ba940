//! A relay that has warmed up forwards in both directions, and verifies checks, without a single allocation.
//!
//! A binary of its own: what it counts is the allocations of the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use offhook_datapath::relay::admission::Limits;
use offhook_datapath::relay::command::Command;
use offhook_datapath::relay::engine::{Engine, Listener, Settings};
use offhook_datapath::relay::pace::PaceSettings;
use offhook_datapath::relay::source::SourcePrefix;
use offhook_datapath::wire::ufrag::{KeyRing, RouteToken};
use sha1::Sha1;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system allocator's; counting touches no memory of it.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: u32 = 5_000;
const CLIENTS: usize = 8;
const SPP_BYTES: usize = 38;

fn settings(gather_above: u32) -> Settings {
    let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Settings {
        cluster_id: 1,
        listeners: vec![Listener { bind: anywhere, public: anywhere.into() }],
        upstream: anywhere,
        max_flows: 1000,
        idle: Duration::from_secs(30),
        threads: 1,
        pace: PaceSettings { gather: Duration::from_micros(100), threshold: gather_above },
        limits: Limits {
            max_flows_per_source: 1000,
            new_flows_per_s: 1e6,
            unproven_checks_per_s: 1e9,
            proven_checks_per_s: 1e9,
            suspect_checks_per_s: 1000,
            source: SourcePrefix::new(32, 56),
        },
    }
}

/// A Binding request with USERNAME and MESSAGE-INTEGRITY.
fn check(keys: &KeyRing) -> Vec<u8> {
    let ufrag = keys.mint_ufrag(b'A', &RouteToken { cluster_id: 1, transceiver_id: 1, nonce: 7 }).unwrap();
    let password = keys.ice_pwd(&ufrag).unwrap();
    let username = [&ufrag[..], b":them"].concat(); // 28 bytes: no padding
    let mut message = vec![0, 1, 0, 4 + 28 + 24, 0x21, 0x12, 0xA4, 0x42];
    message.extend([9; 12]);
    message.extend([0, 6, 0, 28]);
    message.extend(username);
    let mac = Hmac::<Sha1>::new_from_slice(&password).unwrap().chain_update(&message).finalize();
    message.extend([0, 8, 0, 20]);
    message.extend(mac.into_bytes());
    message
}

fn round(clients: &[UdpSocket], transceiver: &UdpSocket, public: SocketAddr, datagram: &[u8], buffer: &mut [u8]) {
    for client in clients {
        client.send_to(datagram, public).unwrap();
    }
    for _ in clients {
        let (bytes, relay) = transceiver.recv_from(buffer).unwrap();
        assert_eq!(bytes, SPP_BYTES + datagram.len());
        transceiver.send_to(&buffer[..bytes], relay).unwrap();
    }
    for client in clients {
        let (bytes, _) = client.recv_from(buffer).unwrap();
        assert_eq!(&buffer[..bytes], datagram);
    }
}

#[test]
fn in_steady_state() {
    for gather_above in [0, u32::MAX] {
        let mut engine = Engine::open(&settings(gather_above)).unwrap();
        let bind = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket
        };
        let transceiver = bind();
        let clients: Vec<UdpSocket> = (0..CLIENTS).map(|_| bind()).collect();
        let mut keys = KeyRing::default();
        assert!(keys.insert(b'A', &[1; 16], &[2; 32]));
        let (check, media) = (check(&keys), [&[0x80, 111][..], &[3; 170]].concat());
        engine.command(&Command::SetKeys(Arc::new(keys))).unwrap();
        engine.command(&Command::SetTransceiver(1, transceiver.local_addr().unwrap().into())).unwrap();
        let public = engine.listen().unwrap()[0];
        let mut buffer = [0; 4096];
        // Checks prove the flows; the first rounds fill what is filled once.
        for datagram in [&check, &media, &check, &media] {
            round(&clients, &transceiver, public, datagram, &mut buffer);
        }
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for number in 0..ROUNDS {
            let datagram = if number % 50 == 0 { &check } else { &media };
            round(&clients, &transceiver, public, datagram, &mut buffer);
        }
        let allocated = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert_eq!(allocated, 0, "allocations while {} datagrams were forwarded", 2 * ROUNDS as usize * CLIENTS);
        engine.close();
    }
}
