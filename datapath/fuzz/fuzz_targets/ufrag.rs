//! Whatever the bytes: no panic, and a ufrag that decodes is the one spelling of its token.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_datapath::wire::ufrag::KeyRing;

fuzz_target!(|ufrag: &[u8]| {
    let mut ring = KeyRing::default();
    assert!(ring.insert(b'A', &[1; 16], &[2; 32]));
    if let Ok(token) = ring.decode_ufrag(ufrag) {
        assert_eq!(ring.mint_ufrag(b'A', &token).as_ref().map(|minted| &minted[..]), Some(ufrag));
    }
    assert_eq!(ring.ice_pwd(ufrag).is_some(), ufrag.first() == Some(&b'A'));
});
