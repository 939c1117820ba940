//! Whatever arrives, on either side and in any order: no panic, nothing forwarded without a proof, no flow made.
//!
//! The input is datagrams, each behind three bytes: its length, and whether it comes from a client or a transceiver.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use offhook_datapath::relay::admission::{Admission, Limits};
use offhook_datapath::relay::credentials::Credentials;
use offhook_datapath::relay::flow_table::{FlowKey, FlowTable};
use offhook_datapath::relay::forwarding::Forwarding;
use offhook_datapath::relay::source::SourcePrefix;
use offhook_datapath::wire::endpoint::Endpoint;
use offhook_datapath::wire::ufrag::KeyRing;

fn endpoint(last: u8) -> Endpoint {
    let host = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, last];
    Endpoint { host, port: 1000 }
}

fuzz_target!(|input: &[u8]| {
    let limits = Limits {
        max_flows_per_source: 4,
        new_flows_per_s: 10.0,
        unproven_checks_per_s: 10.0,
        proven_checks_per_s: 10.0,
        suspect_checks_per_s: 1,
        source: SourcePrefix::new(32, 56),
    };
    let mut forwarding = Forwarding::new(1, Credentials::new(8), FlowTable::new(8, 1000), Admission::new(&limits, 1));
    let mut ring = KeyRing::default();
    assert!(ring.insert(b'A', &[1; 16], &[2; 32]));
    forwarding.set_keys(Arc::new(ring));
    forwarding.set_proxy(0, endpoint(1));
    forwarding.transceivers.set(1, endpoint(2));
    let source = forwarding.return_source(&endpoint(2)).unwrap();
    let client = FlowKey { client: endpoint(3), proxy: 0 };
    let mut rest = input;
    while let [high, low, side, following @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(following.len());
        let (datagram, after) = following.split_at(length);
        rest = after;
        if side % 2 == 1 {
            // Nobody can guess an HMAC, so nothing of a stranger's passes.
            assert!(forwarding.from_client(datagram, &client, 0).is_err());
        } else {
            assert!(forwarding.from_transceiver(datagram, source, 0).is_err());
        }
    }
    assert!(forwarding.flows.is_empty());
});
