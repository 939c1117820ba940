//! Whatever the bytes: no panic, and a header that reads is written back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_datapath::wire::spp::{SppHeader, HEADER_BYTES};

fuzz_target!(|datagram: &[u8]| {
    if let Ok((header, rest)) = SppHeader::read(datagram) {
        let mut written = [0; HEADER_BYTES];
        header.write(&mut written);
        assert_eq!([&written[..], rest].concat(), datagram);
    }
});
