//! The schedule against a model, and scheduled packets on real sockets.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Duration;

use offhook_datapath::media::port::Port;
use offhook_datapath::media::rtp;
use offhook_datapath::media::schedule::{Due, Schedule, GRID_US, MAX_PER_SESSION};
use offhook_datapath::media::srtp::Profile;
use offhook_datapath::media::timer::now_us;
use offhook_datapath::wire::drop_reason::DropReason;
use offhook_datapath::wire::endpoint::Endpoint;
use offhook_datapath::wire::spp::{SppHeader, HEADER_BYTES};
use proptest::prelude::*;

const PATH: usize = 0;

/// What happens to a schedule. Sessions are few, so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Push { session: u64, path: usize, in_us: u64 },
    TakeBack { session: u64 },
    Reroute { session: u64, path: usize },
    Wait { us: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let session = 0..3_u64;
    let step = prop_oneof![
        6 => (session.clone(), 0..2_usize, 0..200_000_u64)
            .prop_map(|(session, path, in_us)| Step::Push { session, path, in_us }),
        1 => session.clone().prop_map(|session| Step::TakeBack { session }),
        1 => (session, 0..2_usize).prop_map(|(session, path)| Step::Reroute { session, path }),
        3 => (0..50_000_u64).prop_map(|us| Step::Wait { us }),
    ];
    proptest::collection::vec(step, 0..200)
}

/// A row as plainly as it can be said.
#[derive(Default)]
struct Model {
    rows: BTreeMap<u64, (usize, Vec<(u64, u8)>)>,
}

impl Model {
    fn push(&mut self, session: u64, path: usize, due_us: u64, number: u8) -> bool {
        let (row_path, row) = self.rows.entry(session).or_default();
        *row_path = path;
        if row.len() == MAX_PER_SESSION {
            return false;
        }
        row.push((row.last().map_or(due_us, |last| due_us.max(last.0)), number));
        true
    }

    /// What leaves of each session until `now_us`.
    fn release(&mut self, now_us: u64) -> BTreeMap<u64, Vec<(usize, u8)>> {
        let mut left = BTreeMap::new();
        for (&session, (path, row)) in &mut self.rows {
            let count = row.iter().filter(|(due_us, _)| due_us.div_ceil(GRID_US) * GRID_US <= now_us).count();
            let gone: Vec<_> = row.drain(..count).map(|(_, number)| (*path, number)).collect();
            if !gone.is_empty() {
                left.insert(session, gone);
            }
        }
        left
    }
}

proptest! {
    #[test]
    fn each_session_gets_its_packets_in_order_at_their_ticks_and_none_that_was_taken_back(steps in steps()) {
        let (mut schedule, mut model) = (Schedule::default(), Model::default());
        let mut now_us = 1_000_000;
        let mut number = 0_u8;
        for step in steps {
            match step {
                Step::Push { session, path, in_us } => {
                    number = number.wrapping_add(1);
                    let pushed = schedule.push(session, path, &[number], now_us + in_us);
                    let fits = model.push(session, path, now_us + in_us, number);
                    prop_assert_eq!(pushed, if fits { Ok(()) } else { Err(DropReason::QueueFull) });
                }
                Step::TakeBack { session } => {
                    let waiting = model.rows.remove(&session).map_or(0, |(_, row)| row.len());
                    prop_assert_eq!(schedule.waiting(session), waiting);
                    prop_assert_eq!(schedule.take_back(session), waiting);
                    prop_assert_eq!(schedule.waiting(session), 0);
                }
                Step::Reroute { session, path } => {
                    schedule.reroute(session, path);
                    if let Some(row) = model.rows.get_mut(&session) {
                        row.0 = path;
                    }
                }
                Step::Wait { us } => {
                    now_us += us;
                    let mut left: BTreeMap<u64, Vec<(usize, u8)>> = BTreeMap::new();
                    while let Some(Due { session, path, packet }) = schedule.pop(now_us) {
                        left.entry(session).or_default().push((path, packet[0]));
                    }
                    prop_assert_eq!(left, model.release(now_us));
                    prop_assert!(schedule.next_tick().is_none_or(|at_us| at_us > now_us && at_us % GRID_US == 0));
                }
            }
        }
    }
}

#[test]
fn packets_of_many_sessions_share_a_tick() {
    let mut schedule = Schedule::default();
    for session in 0..100 {
        schedule.push(session, PATH, b"x", 20_001 + session).unwrap();
    }
    assert_eq!(schedule.next_tick(), Some(20_000 + GRID_US));
    assert_eq!(schedule.pop(20_000 + GRID_US - 1), None);
    assert!(std::iter::from_fn(|| schedule.pop(20_000 + GRID_US)).map(|due| due.session).eq(0..100));
}

fn relay() -> (UdpSocket, Endpoint) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let address = socket.local_addr().unwrap().into();
    (socket, address)
}

fn client(number: u16) -> SppHeader {
    let host = |last| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, last];
    SppHeader { client: Endpoint { host: host(1), port: number }, proxy: Endpoint { host: host(2), port: 3478 } }
}

fn packet(sequence: u16) -> Vec<u8> {
    [&[0x80, 111][..], &sequence.to_be_bytes(), &[0; 4], &[0, 0, 0, 7], b"voice"].concat()
}

/// A port with one session on its path.
fn port(relay: Endpoint) -> (Port, usize) {
    let mut port = Port::open("127.0.0.1:0".parse().unwrap(), 46, 1 << 22).unwrap();
    port.start_srtp(1, Profile::AeadAes128Gcm, &[1; 28], &[2; 28]).unwrap();
    let path = port.bind(&client(1), 1, relay);
    (port, path)
}

fn sequences(socket: &UdpSocket, count: usize) -> Vec<u16> {
    let mut buffer = [0; 2048];
    let one = |_| {
        let bytes = socket.recv(&mut buffer).expect("it leaves without anybody's help");
        rtp::sequence(&buffer[HEADER_BYTES..bytes])
    };
    (0..count).map(one).collect()
}

#[test]
fn they_leave_while_nobody_touches_the_port() {
    let (socket, address) = relay();
    let (mut port, path) = port(address);
    let now = now_us();
    for number in 0..10 {
        port.schedule_rtp(1, Some(path), &packet(number), now + 1_000 * u64::from(number + 1), now);
    }
    assert!(sequences(&socket, 10).into_iter().eq(0..10));
    assert_eq!(port.waiting(1), 0);
}

#[test]
fn one_that_is_due_leaves_with_the_flush_unless_others_wait_before_it() {
    let (socket, address) = relay();
    let (mut port, path) = port(address);
    let now = now_us();
    assert!(port.schedule_rtp(1, Some(path), &packet(1), now, now));
    port.flush();
    assert_eq!(sequences(&socket, 1), [1]);
    assert!(!port.schedule_rtp(1, Some(path), &packet(2), now + 300_000, now));
    assert!(!port.schedule_rtp(1, Some(path), &packet(3), now, now));
    assert_eq!(sequences(&socket, 2), [2, 3]);
}

#[test]
fn what_follows_one_that_is_due_does_not_overtake_it_though_nobody_flushes() {
    let (socket, address) = relay();
    let (mut port, path) = port(address);
    let now = now_us();
    for number in 0..5 {
        port.schedule_rtp(1, Some(path), &packet(number), now + 1_000 * u64::from(number), now);
    }
    assert!(sequences(&socket, 5).into_iter().eq(0..5));
}

#[test]
fn what_was_taken_back_never_leaves_and_its_numbers_are_free() {
    let (socket, address) = relay();
    let (mut port, path) = port(address);
    let (now, hour) = (now_us(), 3_600_000_000);
    for number in 0..5 {
        port.schedule_rtp(1, Some(path), &packet(number), now + hour, now);
    }
    assert_eq!(port.take_back(1), 5);
    port.schedule_rtp(1, Some(path), &packet(0), now + 1_000, now);
    assert_eq!(sequences(&socket, 1), [0]);
    assert_eq!(port.counters().datagrams_sent, 1);
}

#[test]
fn a_session_has_room_for_so_many_and_stops_with_none() {
    let (_socket, address) = relay();
    let (mut port, path) = port(address);
    let (now, hour) = (now_us(), 3_600_000_000);
    for number in 0..50 {
        port.schedule_rtp(1, Some(path), &packet(number), now + hour, now);
    }
    assert_eq!(port.waiting(1), MAX_PER_SESSION);
    assert_eq!(port.counters().drops.0[DropReason::QueueFull as usize], 50 - MAX_PER_SESSION as u64);
    port.stop(1);
    assert_eq!(port.waiting(1), 0);
}

#[test]
fn a_path_that_has_become_anothers_gets_nothing() {
    let (socket, address) = relay();
    let (mut port, path) = port(address);
    let now = now_us();
    port.schedule_rtp(1, Some(path), &packet(1), now + 300_000, now);
    assert_eq!(port.bind(&client(1), 2, address), path, "the id is given anew");
    while port.waiting(1) > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(port.counters().drops.0[DropReason::SessionClosed as usize], 1);
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 2048]).is_err());
}
