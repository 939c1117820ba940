//! Datagrams may change places between flows, never within one; and every train is one that the kernel takes.

use std::collections::HashMap;

use offhook_datapath::udp::{first_train, Item, Trains, TRAIN_BYTES, TRAIN_SEGMENTS};
use proptest::collection::vec;
use proptest::prelude::*;

/// Transceiver, DSCP, length and flow of each datagram of a batch, cut into trains.
fn cut(batch: &[(u16, u8, u16, u64)]) -> Vec<Vec<Item>> {
    let mut trains = Trains::new(batch.len());
    // A thread uses one again and again.
    trains.push(9, 9, 9, 0, 9);
    trains.clear();
    for (index, &(transceiver, dscp, bytes, flow)) in batch.iter().enumerate() {
        trains.push(transceiver, dscp, bytes, index, flow);
    }
    let mut items = trains.order();
    let mut cut = Vec::new();
    while !items.is_empty() {
        let (train, rest) = items.split_at(first_train(items));
        cut.push(train.to_vec());
        items = rest;
    }
    cut
}

proptest! {
    #[test]
    fn any_batch(batch in vec((prop_oneof![3 => Just(46), 1 => 0..64_u8], prop_oneof![Just(210), 39..300_u16, Just(2086)], 0..20_u64), 0..256)) {
        // A flow belongs to one transceiver at a time.
        let batch: Vec<_> = batch.into_iter().map(|(dscp, bytes, flow)| ((flow % 3) as u16, dscp, bytes, flow)).collect();
        let trains = cut(&batch);
        let mut seen: Vec<usize> = trains.iter().flatten().map(|item| item.index()).collect();
        let mut last_of_flow: HashMap<u64, usize> = HashMap::new();
        for &index in &seen {
            let before = last_of_flow.insert(batch[index].3, index);
            prop_assert!(before.is_none_or(|before| before < index), "order within a flow");
        }
        seen.sort_unstable();
        prop_assert!(seen.into_iter().eq(0..batch.len()), "each datagram leaves once");
        for train in &trains {
            let first = train[0];
            let bytes: usize = train.iter().map(|item| usize::from(item.bytes())).sum();
            prop_assert!(train.len() <= TRAIN_SEGMENTS && bytes <= TRAIN_BYTES);
            prop_assert!(train.iter().all(|item| (item.destination(), item.dscp()) == (first.destination(), first.dscp())));
            let (last, body) = train.split_last().unwrap();
            prop_assert!(body.iter().all(|item| item.bytes() == first.bytes()) && last.bytes() <= first.bytes());
            for item in train {
                let (transceiver, dscp, bytes, _) = batch[item.index()];
                prop_assert_eq!((item.destination(), item.dscp(), item.bytes()), (transceiver, dscp, bytes));
            }
        }
    }
}

#[test]
fn equal_sizes_of_many_flows_share_a_train() {
    let batch: Vec<_> = (0..100).map(|flow| (0, 46, 210, flow)).collect();
    let lengths: Vec<usize> = cut(&batch).iter().map(Vec::len).collect();
    assert_eq!(lengths, [64, 36]);
}

#[test]
fn a_shorter_one_ends_a_train() {
    let batch = [(0, 0, 100, 1), (0, 0, 120, 2), (0, 0, 90, 3), (0, 0, 120, 4), (0, 0, 90, 5)];
    let sizes: Vec<Vec<u16>> =
        cut(&batch).iter().map(|train| train.iter().map(|item| item.bytes()).collect()).collect();
    assert_eq!(sizes, [vec![120, 120, 100], vec![90, 90]]);
}

#[test]
fn differently_marked_ones_leave_apart() {
    let batch: Vec<_> = (0..20).map(|flow| (0, if flow % 2 == 0 { 46 } else { 0 }, 210, flow)).collect();
    let trains = cut(&batch);
    let kinds: Vec<_> = trains.iter().map(|train| (train.len(), train[0].dscp(), train[0].generation())).collect();
    assert_eq!(kinds, [(10, 0, 0), (10, 46, 0)]);
}
