//! What callers make of what they hear: marks found again behind a codec, losses and gaps by RTP, turns of a conversation.

use std::time::{Duration, Instant};

use offhook_bench_caller::ear::{Ear, Packet, Pauses};
use offhook_bench_caller::listener::Hearing;
use offhook_bench_caller::mos::mos;
use offhook_bench_caller::speech::Speech;
use offhook_bench_caller::stamp;
use offhook_bench_caller::turns::{Does, Measured, Turns};

const MS: Duration = Duration::from_millis(1);
const FRAME: Duration = Duration::from_millis(20);
const SAMPLES: u64 = 960;

/// What the encoder adds, in ms: it looks 6.5 ms ahead; the rest is how exactly a sweep is placed.
const CODEC_MS: std::ops::RangeInclusive<f64> = 2.0..=10.0;

fn ages_ms(delay: Duration, is_lost: impl Fn(u32) -> bool) -> Vec<f64> {
    let speech = Speech::encode().expect("libopus");
    let origin = Instant::now();
    let mut hearing = Hearing::new(origin, MS * 60);
    let mut ages = Vec::new();
    for number in (0..650u32).filter(|number| !is_lost(*number)) {
        let frame = &speech.marked[number as usize % speech.marked.len()];
        let payload = stamp::stamped(1, number, Some(&frame.packet));
        let at = origin + FRAME * number + delay;
        let packet = Packet { sequence_number: number.into(), rtp_timestamp: u64::from(number) * SAMPLES, at };
        ages.extend(hearing.hear(packet, &payload).iter().map(|mark| mark.age.as_secs_f64() * 1000.0));
    }
    ages
}

#[test]
fn marks_behind_a_codec_tell_the_delay_from_mouth_to_ear() {
    for delay_ms in [0, 2_750] {
        let ages = ages_ms(MS * delay_ms, |_| false);
        assert!(ages.len() >= 5, "{} of 6 marks", ages.len());
        for age in ages {
            // A frame of 20 ms is spoken before it is sent, and waits for 60 ms in the jitter buffer.
            let codec = age - f64::from(delay_ms) - 80.0;
            assert!(CODEC_MS.contains(&codec), "{age} ms at {delay_ms} ms, {codec} of it the codec's");
        }
    }
}

#[test]
fn marks_are_found_where_packets_are_lost() {
    let ages = ages_ms(MS * 30, |number| number % 10 == 3);
    assert!(ages.len() >= 3);
    assert!(ages.iter().all(|age| (105.0..=125.0).contains(age)), "{ages:?}");
}

#[test]
fn speech_without_marks_has_none() {
    let speech = Speech::encode().expect("libopus");
    let origin = Instant::now();
    let mut hearing = Hearing::new(origin, MS * 60);
    for (number, frame) in (0u32..).zip(&speech.sentence) {
        let packet = Packet {
            sequence_number: number.into(),
            rtp_timestamp: u64::from(number) * SAMPLES,
            at: origin + FRAME * number,
        };
        assert!(hearing.hear(packet, &frame.packet).is_empty(), "frame {number}");
    }
}

#[test]
fn what_is_said_is_speech_and_what_is_silent_is_small() {
    let speech = Speech::encode().expect("libopus");
    assert_eq!(speech.marked.len(), 400);
    assert_eq!(speech.sentence.len(), 355);
    let loud = speech.sentence.iter().filter(|frame| frame.level_dbov > -40).count();
    assert!(loud > 150, "{loud} loud frames");
    assert!(speech.silence.packet.len() <= 12, "{} bytes of silence", speech.silence.packet.len());
    assert_eq!(speech.silence.level_dbov, -127);
}

fn packet(begin: Instant, sequence_number: u64, at_ms: u32) -> Packet {
    Packet { sequence_number, rtp_timestamp: sequence_number * SAMPLES, at: begin + MS * at_ms }
}

#[test]
fn losses_gaps_and_what_comes_too_late_are_told_by_rtp() {
    let begin = Instant::now();
    let mut ear = Ear::new(MS * 60, Pauses::OnPurpose);
    for number in 0..10 {
        assert!(ear.hear(packet(begin, number, number as u32 * 20)).1.is_none());
    }
    // Ten are lost; the next comes in time. Of the following two the later one comes first, the other 70 ms late.
    let (skipped, gap) = ear.hear(packet(begin, 20, 400));
    assert_eq!((skipped, gap.map(|gap| gap.length)), (10, Some(MS * 220)));
    ear.hear(packet(begin, 22, 440));
    ear.hear(packet(begin, 21, 490));
    assert_eq!((ear.arrived, ear.missing, ear.reordered, ear.late), (13, 10, 1, 1));
    assert_eq!(ear.longest_silence, MS * 220);
    let share = ear.concealed_share().expect("something came");
    assert!((share - 11.0 / 23.0).abs() < 1e-9);
}

#[test]
fn a_pause_of_the_sender_is_no_gap() {
    let begin = Instant::now();
    let mut ear = Ear::new(MS * 60, Pauses::OnPurpose);
    ear.hear(Packet { sequence_number: 1, rtp_timestamp: 0, at: begin });
    let after = Packet { sequence_number: 2, rtp_timestamp: 3 * 48_000, at: begin + MS * 3_005 };
    assert!(ear.hear(after).1.is_none());
    assert_eq!((ear.missing, ear.late), (0, 0));
}

#[test]
fn an_echo_that_pauses_has_not_heard_us() {
    let begin = Instant::now();
    let mut ear = Ear::new(MS * 60, Pauses::Felt);
    ear.hear(Packet { sequence_number: 1, rtp_timestamp: 0, at: begin });
    let after = Packet { sequence_number: 2, rtp_timestamp: 48_000, at: begin + MS * 1_000 };
    assert_eq!(ear.hear(after).1.map(|gap| gap.length), Some(MS * 1_000));
}

#[test]
fn quality_falls_with_delay_and_loss() {
    assert!((4.3..4.5).contains(&mos(50.0, 0.0)));
    assert!(mos(400.0, 0.0) < mos(150.0, 0.0));
    assert!(mos(50.0, 0.05) < 3.8);
    assert!((mos(2_000.0, 1.0) - 1.0).abs() < 1e-9);
}

#[test]
fn a_caller_waits_for_its_answer_and_gives_up_without_one() {
    let begin = Instant::now();
    let mut turns = Turns::new(begin, false);
    assert_eq!(turns.tick(begin + MS * 900), (None, None));
    assert_eq!(turns.tick(begin + MS * 1_000).0, Some(Does::Speak));
    turns.speaks(begin + MS * 1_000, begin + MS * 8_000);
    // Something in the middle of its own turn is no answer to it.
    assert_eq!(turns.hears(begin + MS * 3_000), None);
    let answered = turns.hears(begin + MS * 8_300);
    assert_eq!(answered, Some(Measured::FirstAudio(begin + MS * 8_000, MS * 300)));
    assert_eq!(turns.hears(begin + MS * 8_320), None);
    assert_eq!(turns.tick(begin + MS * 9_030), (None, None));
    assert_eq!(turns.tick(begin + MS * 10_030).0, Some(Does::Speak));
    turns.speaks(begin + MS * 10_030, begin + MS * 17_000);
    assert_eq!(turns.tick(begin + MS * 27_000).0, Some(Does::GiveUp));
}

#[test]
fn who_interrupts_measures_until_the_answer_is_silent() {
    let begin = Instant::now();
    let mut turns = Turns::new(begin, true);
    assert_eq!(turns.tick(begin + MS * 1_000).0, Some(Does::Speak));
    turns.speaks(begin, begin + MS * 5_000);
    for ms in (5_200..6_200).step_by(20) {
        turns.hears(begin + MS * ms);
    }
    assert_eq!(turns.tick(begin + MS * 6_200).0, Some(Does::Speak));
    turns.speaks(begin + MS * 6_210, begin + MS * 13_000);
    turns.hears(begin + MS * 6_500);
    assert_eq!(turns.tick(begin + MS * 6_800), (None, None));
    let measured = turns.tick(begin + MS * 6_900).1;
    assert_eq!(measured, Some(Measured::Interruption(begin + MS * 6_210, MS * 290)));
    assert_eq!(turns.hears(begin + MS * 13_400), Some(Measured::FirstAudio(begin + MS * 13_000, MS * 400)));
}
