//! Whatever relays and clients send, in any order: no panic, and media is delivered only if the client has sealed it.
//!
//! The input is datagrams, each behind three bytes: its length, and what becomes of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_datapath::audio::Codec;
use offhook_datapath::media::core::{Incoming, MediaCore, MAX_DATAGRAM_BYTES};
use offhook_datapath::media::lane::{Position, Reports, Stream};
use offhook_datapath::media::outbox::Outbox;
use offhook_datapath::media::rtp::RtpPacket;
use offhook_datapath::media::srtp::{Outbound, Profile};
use offhook_datapath::wire::endpoint::Endpoint;
use offhook_datapath::wire::spp::{SppHeader, HEADER_BYTES};

fn endpoint(last: u8) -> Endpoint {
    let host = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, last];
    Endpoint { host, port: 1000 }
}

fuzz_target!(|input: &[u8]| {
    let profile = Profile::ALL[input.first().map_or(0, |byte| usize::from(*byte)) % 3];
    let key = vec![7; profile.key_bytes() + profile.salt_bytes()];
    let (relay, path) = (endpoint(1), SppHeader { client: endpoint(2), proxy: endpoint(3) });
    let mut core = MediaCore::default();
    core.accept_relays([relay], Vec::new());
    let bound = core.bind(&path, 1, relay);
    core.start_srtp(1, profile, &key, &[9; 46][..key.len()]).unwrap();
    core.add_lane(1);
    let reports = Reports { extension_id: 5, sender_ssrc: 9, prefix: Vec::new() };
    core.lane(1).unwrap().report_arrivals(Some(reports));
    let mut client = Outbound::new(profile, &key).unwrap();
    let mut now = 0.0;
    let mut out = Outbox::default();
    let mut rest = input.get(1..).unwrap_or_default();
    while let [high, low, becomes, following @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(following.len());
        let (datagram, after) = following.split_at(length);
        rest = after;
        let mut header = [0; HEADER_BYTES];
        path.write(&mut header);
        let mut datagram = if *becomes == 0 { datagram.to_vec() } else { [&header[..], datagram].concat() };
        let sealed = match becomes % 4 {
            1 => client.seal_rtp(&mut datagram, HEADER_BYTES).is_ok(),
            2 => client.seal_rtcp(&mut datagram, HEADER_BYTES).is_ok(),
            _ => false,
        };
        if out.is_full() {
            break;
        }
        now += f64::from(*becomes) / 100.0;
        let media = match core.receive(&mut datagram, &relay, now, &mut out) {
            Some(Incoming::Rtp(path, session, packet)) => {
                assert!((path, session) == (bound, 1) && packet.extensions.clone().count() <= MAX_DATAGRAM_BYTES);
                let RtpPacket { payload_type, sequence, timestamp, ssrc, .. } = packet;
                let stream = Stream { codec: Codec::Opus, clock_rate: 48_000, payload_type, level_id: Some(1), ssrc };
                let next_sequence = i64::from(sequence) + 1;
                let position =
                    Position { next_sequence, rtp_timestamp: 0, wire_timestamp: timestamp, jitter: 0.0, transit: None };
                core.lane(1).unwrap().open(path, stream, position);
                true
            }
            Some(Incoming::Audio(session, frame)) => {
                assert!(session == 1 && frame.rtp_timestamp >= 0);
                true
            }
            Some(Incoming::Rtcp(..)) => true,
            Some(Incoming::Stun(_) | Incoming::Dtls(..)) | None => false,
        };
        assert!(!media || sealed, "nobody can guess a tag");
        if !out.is_full() {
            core.send_rtp(1, Some(bound), &datagram, &mut out);
        }
    }
});
