//! Whatever the bytes: no panic, and what a Binding request is said to hold lies within it, in front of its integrity.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_datapath::wire::demux::classify;
use offhook_datapath::wire::stun::{message_class, parse_binding_request, IntegrityKey};

fuzz_target!(|datagram: &[u8]| {
    let _ = classify(datagram);
    if let Ok(request) = parse_binding_request(datagram) {
        assert!(message_class(datagram).is_some());
        assert!(request.integrity_offset + 24 <= datagram.len());
        assert!(request.local_ufrag.len() + request.remote_ufrag.len() < request.integrity_offset);
        let _ = IntegrityKey::new(b"password").unwrap().verifies(datagram, request.integrity_offset);
    }
});
