//! Whatever is done to a flow table, it holds what a map by the same rules would hold.

use std::collections::HashMap;

use offhook_datapath::relay::flow_table::{FlowKey, FlowTable, Proof};
use offhook_datapath::wire::endpoint::Endpoint;
use proptest::collection::vec;
use proptest::prelude::*;

const MAX_FLOWS: usize = 12;
const IDLE: u32 = 10;

/// What is known of one flow: owner, synced, last seen.
type Model = HashMap<u16, (u16, bool, u32)>;

#[derive(Clone, Debug)]
enum Step {
    Prove(u16, u16),
    Touch(u16, u16),
    Upsert(u16, u16),
    Remove(u16, u16),
    RemoveAll(u16),
    Release(u16),
    Replace(u16, Vec<u16>),
    Pass(u32),
}

fn key(client: u16) -> FlowKey {
    FlowKey { client: Endpoint { host: [7; 16], port: client }, proxy: 0 }
}

fn step() -> impl Strategy<Value = Step> {
    let (client, owner) = (0..24_u16, 0..3_u16);
    prop_oneof![
        4 => (client.clone(), owner.clone()).prop_map(|(client, owner)| Step::Prove(client, owner)),
        4 => (client.clone(), owner.clone()).prop_map(|(client, owner)| Step::Upsert(client, owner)),
        2 => (client.clone(), owner.clone()).prop_map(|(client, owner)| Step::Touch(client, owner)),
        3 => (client.clone(), owner.clone()).prop_map(|(client, owner)| Step::Remove(client, owner)),
        1 => owner.clone().prop_map(Step::RemoveAll),
        1 => owner.clone().prop_map(Step::Release),
        1 => (owner, vec(client, 0..6)).prop_map(|(owner, clients)| Step::Replace(owner, clients)),
        2 => (1..8_u32).prop_map(Step::Pass),
    ]
}

fn upsert(model: &mut Model, client: u16, owner: u16, now: u32) -> bool {
    let known = model.get(&client).copied();
    match known {
        None if model.len() >= MAX_FLOWS => return false,
        Some((other, false, _)) if other != owner => {}
        _ => {
            model.insert(client, (owner, true, now));
        }
    }
    true
}

fn apply(table: &mut FlowTable, model: &mut Model, marks: &mut [bool; 3], step: &Step, now: &mut u32) {
    let whole = table.capacity();
    match step {
        Step::Prove(client, owner) => {
            let refused = !model.contains_key(client) && model.len() >= MAX_FLOWS;
            assert_eq!(table.prove(&key(*client), *owner, *now) == Proof::Refused, refused);
            if !refused {
                let synced = model.get(client).is_some_and(|&(other, synced, _)| other == *owner && synced);
                model.insert(*client, (*owner, synced, *now));
            }
        }
        Step::Touch(client, owner) => {
            let flow = model.get_mut(client).filter(|flow| flow.0 == *owner);
            assert_eq!(table.touch(&key(*client), *owner, *now).is_some(), flow.is_some());
            if let Some(flow) = flow {
                flow.2 = *now;
            }
        }
        Step::Upsert(client, owner) => {
            let found_room = upsert(model, *client, *owner, *now);
            assert_eq!(table.upsert_synced(&key(*client), *owner, marks[usize::from(*owner)], *now), found_room);
        }
        Step::Remove(client, owner) => {
            table.remove(&key(*client), *owner);
            if model.get(client).is_some_and(|flow| flow.0 == *owner) {
                model.remove(client);
            }
        }
        Step::RemoveAll(owner) => {
            table.remove_all(0, whole, *owner);
            model.retain(|_, flow| flow.0 != *owner);
        }
        Step::Release(owner) => {
            table.release(0, whole, *owner, *now);
            for flow in model.values_mut().filter(|flow| flow.0 == *owner) {
                *flow = (*owner, false, *now);
            }
        }
        Step::Replace(owner, clients) => {
            let mark = &mut marks[usize::from(*owner)];
            *mark = !*mark;
            for client in clients {
                table.mark(&key(*client), *owner, *mark);
            }
            table.keep_marked(0, whole, *owner, *mark);
            model.retain(|client, flow| flow.0 != *owner || !flow.1 || clients.contains(client));
            for client in clients {
                let found_room = upsert(model, *client, *owner, *now);
                assert_eq!(table.upsert_synced(&key(*client), *owner, *mark, *now), found_room);
            }
        }
        Step::Pass(millis) => {
            *now = now.wrapping_add(*millis);
            table.sweep(whole, *now);
            model.retain(|_, flow| flow.1 || now.wrapping_sub(flow.2) < IDLE);
        }
    }
}

proptest! {
    #[test]
    fn any_steps(steps in vec(step(), 0..200), started_at in prop_oneof![Just(0), Just(u32::MAX - 20)]) {
        let mut table = FlowTable::new(MAX_FLOWS, IDLE);
        let (mut model, mut marks, mut now) = (Model::new(), [false; 3], started_at);
        for step in &steps {
            apply(&mut table, &mut model, &mut marks, step, &mut now);
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.has_unsynced(), model.values().any(|flow| !flow.1));
            for client in 0..24 {
                prop_assert_eq!(table.owner(&key(client)), model.get(&client).map(|flow| flow.0));
            }
        }
    }
}

#[test]
fn a_sweep_in_pieces_ends_every_dead_flow() {
    let mut table = FlowTable::new(1000, IDLE);
    for client in 0..1000 {
        assert_eq!(table.prove(&key(client), 0, 0), Proof::News);
    }
    assert_eq!(table.prove(&key(1000), 0, 0), Proof::Refused);
    // Deleting moves entries, perhaps past the sweep; the second round finds those.
    for _ in 0..2 * table.capacity().div_ceil(7) {
        table.sweep(7, IDLE);
    }
    assert!(table.is_empty());
}

#[test]
fn siblings_hear_of_a_living_flow_once_a_quarter_of_its_idle_time() {
    let mut table = FlowTable::new(10, 1000);
    assert_eq!(table.prove(&key(1), 0, 0), Proof::News);
    assert_eq!(table.prove(&key(1), 0, 249), Proof::Known);
    assert_eq!(table.touch(&key(1), 0, 250), Some(true));
    assert_eq!(table.touch(&key(1), 0, 251), Some(false));
    assert!(table.upsert_synced(&key(1), 0, false, 251));
    assert_eq!(table.prove(&key(1), 0, 9999), Proof::Known);
}
