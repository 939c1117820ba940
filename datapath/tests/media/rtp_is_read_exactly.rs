//! RTP headers and their extensions. That Python reads the same is tested from there.

use offhook_datapath::media::rtp::RtpPacket;
use offhook_datapath::wire::drop_reason::DropReason;
use proptest::collection::vec;
use proptest::prelude::*;

fn extensions<'a>(packet: &RtpPacket<'a>) -> Vec<(u8, &'a [u8])> {
    packet.extensions.clone().collect()
}

#[test]
fn one_byte_extensions() {
    let packet = b"\x91\xef\x12\x34\0\0\0\x01\0\0\0\x02\0\0\0\x09\xbe\xde\0\x02\x10\x7f\0\x21ab\0\0voice";
    let read = RtpPacket::read(packet).unwrap();
    assert_eq!((read.payload_type, read.marker, read.sequence), (111, true, 0x1234));
    assert_eq!((read.timestamp, read.ssrc, read.payload), (1, 2, &b"voice"[..]));
    assert_eq!(extensions(&read), [(1, &b"\x7f"[..]), (2, &b"ab"[..])]);
}

#[test]
fn two_byte_extensions_and_padding() {
    let packet = b"\xb0\x6f\0\x01\0\0\0\0\0\0\0\0\x10\x05\0\x02\x10\0\x11\x03abc\0voice\0\0\x03";
    let read = RtpPacket::read(packet).unwrap();
    assert_eq!(read.payload, b"voice");
    assert_eq!(extensions(&read), [(16, &b""[..]), (17, &b"abc"[..])]);
}

#[test]
fn a_broken_element_ends_the_extension_and_not_the_packet() {
    let packet = b"\x90\x6f\0\x01\0\0\0\0\0\0\0\0\xbe\xde\0\x01\x10\x05\x3f\xffvoice";
    let read = RtpPacket::read(packet).unwrap();
    assert_eq!((extensions(&read), read.payload), (vec![(1, &b"\x05"[..])], &b"voice"[..]));
}

#[test]
fn lengths_that_do_not_fit() {
    for packet in [
        &b"\x80\x6f\0\x01\0\0\0\0\0\0\0"[..],
        b"\x40\x6f\0\x01\0\0\0\0\0\0\0\0",
        b"\x81\x6f\0\x01\0\0\0\0\0\0\0\0abc",
        b"\x90\x6f\0\x01\0\0\0\0\0\0\0\0\xbe\xde\0",
        b"\x90\x6f\0\x01\0\0\0\0\0\0\0\0\xbe\xde\0\x01abc",
        b"\xa0\x6f\0\x01\0\0\0\0\0\0\0\0abc\0",
        b"\xa0\x6f\0\x01\0\0\0\0\0\0\0\0abc\x05",
    ] {
        assert_eq!(RtpPacket::read(packet).err(), Some(DropReason::MalformedRtp));
    }
}

proptest! {
    #[test]
    fn any_bytes(packet in vec(any::<u8>(), 0..120)) {
        if let Ok(read) = RtpPacket::read(&packet) {
            let elements: usize = read.extensions.clone().map(|(_, data)| 1 + data.len()).sum();
            prop_assert!(12 + elements + read.payload.len() <= packet.len());
        }
    }
}
