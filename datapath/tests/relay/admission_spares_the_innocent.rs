//! What a flood may cost and who pays for it: the scenes of Python's test of this name, and a clock that wraps.

use offhook_datapath::relay::admission::{Admission, Limits};
use offhook_datapath::relay::flow_table::{FlowKey, FlowTable, Proof};
use offhook_datapath::relay::source::SourcePrefix;
use offhook_datapath::relay::Millis;
use offhook_datapath::wire::drop_reason::DropReason;
use offhook_datapath::wire::endpoint::Endpoint;

/// So many wrong checks at once make a suspect.
const SUSPICION: usize = 10;
/// The clock wraps three seconds later.
const NOW: Millis = Millis::MAX - 3000;

fn client(host: u8, port: u16) -> FlowKey {
    let host = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, host];
    FlowKey { client: Endpoint { host, port }, proxy: 0 }
}

fn admission(threads: u32) -> Admission {
    let limits = Limits {
        max_flows_per_source: 2,
        new_flows_per_s: 2.0,
        unproven_checks_per_s: 100.0,
        proven_checks_per_s: 100.0,
        suspect_checks_per_s: 1,
        source: SourcePrefix::new(32, 56),
    };
    Admission::new(&limits, threads)
}

/// Wrong checks; how many were admitted, and why the last was not.
fn flood(admission: &mut Admission, key: &FlowKey, checks: usize, now: Millis) -> (usize, Option<DropReason>) {
    let (mut admitted, mut refused) = (0, None);
    for _ in 0..checks {
        match admission.admit_check(key, false, now) {
            Ok(()) => {
                admitted += 1;
                admission.check_failed(key, false, now);
            }
            Err(reason) => refused = Some(reason),
        }
    }
    (admitted, refused)
}

#[test]
fn a_neighbour_of_a_suspect_is_served_while_there_is_budget() {
    let mut admission = admission(1);
    assert_eq!(flood(&mut admission, &client(9, 1), 2 * SUSPICION, NOW), (2 * SUSPICION, None));
    assert_eq!(admission.admit_check(&client(9, 2), false, NOW), Ok(()));
}

#[test]
fn a_suspect_takes_half_of_the_budget_and_leaves_the_rest() {
    let mut admission = admission(1);
    assert_eq!(flood(&mut admission, &client(9, 1), 1000, NOW), (50, Some(DropReason::RateLimited)));
    for _ in 0..50 {
        assert_eq!(admission.admit_check(&client(7, 1), false, NOW), Ok(()));
    }
    assert_eq!(admission.admit_check(&client(7, 1), false, NOW), Err(DropReason::CheckBudget));
    assert_eq!(admission.admit_check(&client(7, 1), false, NOW + 20), Ok(()));
}

#[test]
fn calls_keep_their_reserve_and_one_five_tuple_cannot_empty_it() {
    let mut admission = admission(1);
    flood(&mut admission, &client(9, 1), 1000, NOW);
    let admitted = (0..1000).filter(|_| admission.admit_check(&client(9, 1), true, NOW).is_ok()).count();
    assert_eq!(admitted, 50);
    assert_eq!(admission.admit_check(&client(9, 2), true, NOW), Ok(()));
}

#[test]
fn suspicion_passes_even_while_the_clock_wraps() {
    let mut admission = admission(1);
    flood(&mut admission, &client(9, 1), 1000, NOW);
    let later = NOW.wrapping_add(11_000);
    assert_eq!(flood(&mut admission, &client(9, 1), SUSPICION, later), (SUSPICION, None));
    for _ in 0..40 {
        assert_eq!(admission.admit_check(&client(7, 1), false, later), Ok(()));
    }
    assert_eq!(admission.admit_check(&client(9, 1), false, later), Err(DropReason::RateLimited));
}

#[test]
fn new_flows_come_at_a_rate_that_threads_share() {
    for (threads, at_once) in [(1, 10), (5, 2), (1000, 1)] {
        let mut admission = admission(threads);
        let admitted = (0..20).filter(|_| admission.admit_flow(NOW).is_ok()).count();
        assert_eq!(admitted, at_once);
        assert_eq!(admission.admit_flow(NOW), Err(DropReason::NewFlowBudget));
    }
}

#[test]
fn a_source_has_so_many_flows_and_gets_back_what_it_gives_up() {
    let mut flows = FlowTable::new(100, 30_000).with_source_limit(SourcePrefix::new(32, 56), 2);
    for port in 0..2 {
        assert_eq!(flows.refuse(&client(9, port)), None);
        assert_eq!(flows.prove(&client(9, port), 0, 0), Proof::News);
    }
    // A flow that changes hands is still one.
    flows.prove(&client(9, 0), 1, 0);
    assert_eq!(flows.refuse(&client(9, 2)), Some(DropReason::SourceFlowLimit));
    flows.remove(&client(9, 0), 1);
    assert_eq!(flows.refuse(&client(9, 2)), None);
    for port in 10..15 {
        assert!(flows.upsert_synced(&client(9, port), 0, false, 0), "vouched for, so never refused");
    }
    assert_eq!(flows.refuse(&client(9, 2)), Some(DropReason::SourceFlowLimit));
}
