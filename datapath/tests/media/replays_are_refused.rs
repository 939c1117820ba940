//! The replay window agrees with a set, indices go on over wraps, and what is kept per SSRC is bounded.

use std::collections::HashSet;

use offhook_datapath::media::srtp::replay::ReplayWindow;
use offhook_datapath::media::srtp::{Inbound, Outbound, Profile, MAX_SSRCS};
use offhook_datapath::wire::drop_reason::DropReason;
use proptest::collection::vec;
use proptest::prelude::*;

const PROFILE: Profile = Profile::AeadAes128Gcm;
const KEY: [u8; 28] = [7; 28];

fn pair() -> (Outbound, Inbound) {
    (Outbound::new(PROFILE, &KEY).unwrap(), Inbound::new(PROFILE, &KEY).unwrap())
}

fn rtp(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 111];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0; 4]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(b"voice");
    packet
}

fn sealed(outbound: &mut Outbound, sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = rtp(sequence, ssrc);
    outbound.seal_rtp(&mut packet, 0).unwrap();
    packet
}

proptest! {
    #[test]
    fn window_agrees_with_a_set(steps in vec(prop_oneof![8 => -3..6_i64, 2 => -150..200_i64, 1 => 1000..3000_i64], 1..400)) {
        let mut window = ReplayWindow::<2>::default();
        let (mut seen, mut highest, mut at) = (HashSet::new(), 0, 0_i64);
        for step in steps {
            at = (at + step).max(0);
            let index = at.unsigned_abs();
            let accepted = index > highest || (highest - index < 128 && !seen.contains(&index));
            prop_assert_eq!(window.accepts(index), accepted);
            if accepted {
                window.insert(index);
                seen.insert(index);
                highest = highest.max(index);
            }
            prop_assert_eq!(window.highest(), highest);
        }
    }

    #[test]
    fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..200), first in 126..194_u8) {
        let mut packet = bytes;
        if let Some(byte) = packet.first_mut() {
            *byte = first;
        }
        for profile in Profile::ALL {
            let key = vec![7; profile.key_bytes() + profile.salt_bytes()];
            let mut inbound = Inbound::new(profile, &key).unwrap();
            prop_assert!(inbound.open_rtp(&mut packet.clone()).is_err());
            prop_assert!(inbound.open_rtcp(&mut packet.clone()).is_err());
            // Whatever is sealed is opened again, as it was.
            let (mut rtp, mut rtcp) = (packet.clone(), packet.clone());
            let mut outbound = Outbound::new(profile, &key).unwrap();
            if outbound.seal_rtp(&mut rtp, 0).is_ok() {
                let length = inbound.open_rtp(&mut rtp).unwrap();
                prop_assert_eq!(&rtp[..length], &packet[..]);
            }
            if outbound.seal_rtcp(&mut rtcp, 0).is_ok() {
                let length = inbound.open_rtcp(&mut rtcp).unwrap();
                prop_assert_eq!(&rtcp[..length], &packet[..]);
            }
        }
    }
}

#[test]
fn indices_go_on_over_two_wraps_with_loss_and_reordering() {
    let (mut outbound, mut inbound) = pair();
    for round in 0..3_u32 {
        for step in 0..(1 << 16) / 16 {
            // Every third packet is lost, and of the others each pair comes in the wrong order.
            let sequence = |behind: u32| u16::try_from(step * 16 + behind).unwrap();
            let [lost, late, early] = [0, 5, 9].map(|behind| sealed(&mut outbound, sequence(behind), 1));
            drop(lost);
            for mut packet in [early, late] {
                assert!(inbound.open_rtp(&mut packet).is_ok(), "round {round}, packet {step}");
            }
        }
    }
}

#[test]
fn a_packet_is_accepted_once_and_an_old_one_never() {
    let (mut outbound, mut inbound) = pair();
    let first = sealed(&mut outbound, 1, 1);
    let packets: Vec<_> = (2..1100).map(|sequence| sealed(&mut outbound, sequence, 1)).collect();
    for packet in &packets {
        assert!(inbound.open_rtp(&mut packet.clone()).is_ok());
        assert_eq!(inbound.open_rtp(&mut packet.clone()), Err(DropReason::SrtpReplayed));
    }
    assert_eq!(inbound.open_rtp(&mut first.clone()), Err(DropReason::SrtpReplayed), "older than the window");
}

#[test]
fn a_forged_packet_does_not_move_the_window() {
    let (mut outbound, mut inbound) = pair();
    let mut forged = sealed(&mut outbound, 1, 1);
    forged[2..4].copy_from_slice(&0x7000_u16.to_be_bytes());
    assert_eq!(inbound.open_rtp(&mut forged), Err(DropReason::SrtpAuthFailed));
    assert!(inbound.open_rtp(&mut sealed(&mut outbound, 2, 1)).is_ok());
}

#[test]
fn an_answer_to_a_nack_is_the_same_packet_again() {
    let (mut outbound, _) = pair();
    let packets: Vec<_> = (0..64).map(|sequence| sealed(&mut outbound, sequence, 1)).collect();
    for (sequence, packet) in packets.iter().enumerate() {
        assert_eq!(&sealed(&mut outbound, u16::try_from(sequence).unwrap(), 1), packet);
    }
    sealed(&mut outbound, 1100, 1);
    assert_eq!(outbound.seal_rtp(&mut rtp(1, 1), 0), Err(DropReason::SrtpReplayed), "too old to be repeated");
}

#[test]
fn a_client_cannot_make_sources_grow() {
    let (_, mut inbound) = pair();
    for ssrc in 0..u32::try_from(MAX_SSRCS).unwrap() {
        // A sender of ours would be bounded, too.
        let mut outbound = Outbound::new(PROFILE, &KEY).unwrap();
        assert!(inbound.open_rtp(&mut sealed(&mut outbound, 1, ssrc)).is_ok());
    }
    let mut outbound = Outbound::new(PROFILE, &KEY).unwrap();
    assert_eq!(inbound.open_rtp(&mut sealed(&mut outbound, 1, 99)), Err(DropReason::UnknownSsrc));
    assert!(inbound.open_rtp(&mut sealed(&mut outbound, 2, 3)).is_ok());
}
