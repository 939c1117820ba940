//! Datagrams may change places between flows, never within one; and every train is one that the kernel takes.

use std::collections::HashMap;

use offhook_datapath::relay::trains::{first_train, Item, Trains};
use offhook_datapath::udp::{TRAIN_BYTES, TRAIN_SEGMENTS};
use proptest::collection::vec;
use proptest::prelude::*;

/// Transceiver, length and flow of each datagram of a batch, cut into trains.
fn cut(batch: &[(u16, u16, u64)]) -> Vec<Vec<Item>> {
    let mut trains = Trains::new(batch.len());
    // A thread uses one again and again.
    trains.push(9, 9, 0, 9);
    trains.clear();
    for (index, &(transceiver, bytes, flow)) in batch.iter().enumerate() {
        trains.push(transceiver, bytes, index, flow);
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
    fn any_batch(batch in vec((0..3_u16, prop_oneof![Just(210), 39..300_u16, Just(2086)], 0..20_u64), 0..256)) {
        // A flow belongs to one transceiver at a time.
        let batch: Vec<_> = batch.into_iter().map(|(_, bytes, flow)| ((flow % 3) as u16, bytes, flow)).collect();
        let trains = cut(&batch);
        let mut seen: Vec<usize> = trains.iter().flatten().map(|item| item.index()).collect();
        let mut last_of_flow: HashMap<u64, usize> = HashMap::new();
        for &index in &seen {
            let before = last_of_flow.insert(batch[index].2, index);
            prop_assert!(before.is_none_or(|before| before < index), "order within a flow");
        }
        seen.sort_unstable();
        prop_assert!(seen.into_iter().eq(0..batch.len()), "each datagram leaves once");
        for train in &trains {
            let first = train[0];
            let bytes: usize = train.iter().map(|item| usize::from(item.bytes())).sum();
            prop_assert!(train.len() <= TRAIN_SEGMENTS && bytes <= TRAIN_BYTES);
            prop_assert!(train.iter().all(|item| item.transceiver() == first.transceiver()));
            let (last, body) = train.split_last().unwrap();
            prop_assert!(body.iter().all(|item| item.bytes() == first.bytes()) && last.bytes() <= first.bytes());
            prop_assert!(train.iter().all(|item| (item.transceiver(), item.bytes()) == (batch[item.index()].0, batch[item.index()].1)));
        }
    }
}

#[test]
fn equal_sizes_of_many_flows_share_a_train() {
    let batch: Vec<_> = (0..100).map(|flow| (0, 210, flow)).collect();
    let lengths: Vec<usize> = cut(&batch).iter().map(Vec::len).collect();
    assert_eq!(lengths, [64, 36]);
}

#[test]
fn a_shorter_one_ends_a_train() {
    let batch = [(0, 100, 1), (0, 120, 2), (0, 90, 3), (0, 120, 4), (0, 90, 5)];
    let sizes: Vec<Vec<u16>> =
        cut(&batch).iter().map(|train| train.iter().map(|item| item.bytes()).collect()).collect();
    assert_eq!(sizes, [vec![120, 120, 100], vec![90, 90]]);
}
