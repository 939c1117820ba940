//! A quiet thread forwards at once; a busy one lets packets gather; neither flaps.

use std::time::{Duration, Instant};

use offhook_datapath::relay::pace::{Pace, PaceSettings, Wait};

const GATHER: Duration = Duration::from_micros(500);
const SETTINGS: PaceSettings = PaceSettings { gather: GATHER, threshold: 20_000 };

/// What a thread does last that receives `packets` every `interval` for some time.
fn after_a_while(pace: &mut Pace, now: &mut Instant, packets: usize, interval: Duration) -> Wait {
    let mut wait = Wait::ForPacket;
    for _ in 0..1000 {
        *now += interval;
        wait = pace.after(packets, false, *now, *now);
    }
    wait
}

#[test]
fn below_the_threshold_it_never_sleeps() {
    let mut now = Instant::now();
    let mut pace = Pace::new(SETTINGS, now);
    assert_eq!(after_a_while(&mut pace, &mut now, 1, Duration::from_micros(60)), Wait::ForPacket);
}

#[test]
fn above_it_sleeps_until_the_gathering_ends() {
    let mut now = Instant::now();
    let mut pace = Pace::new(SETTINGS, now);
    let wait = after_a_while(&mut pace, &mut now, 1, Duration::from_micros(40));
    assert_eq!(wait, Wait::Until(now + GATHER));
}

#[test]
fn a_little_less_does_not_end_it_much_less_does() {
    let mut now = Instant::now();
    let mut pace = Pace::new(SETTINGS, now);
    after_a_while(&mut pace, &mut now, 1, Duration::from_micros(40));
    let a_little_less = after_a_while(&mut pace, &mut now, 9, Duration::from_micros(500));
    assert_eq!(a_little_less, Wait::Until(now + GATHER));
    assert_eq!(after_a_while(&mut pace, &mut now, 6, Duration::from_micros(500)), Wait::ForPacket);
}

#[test]
fn a_pause_between_bursts_does_not_end_it() {
    let mut now = Instant::now();
    let mut pace = Pace::new(SETTINGS, now);
    after_a_while(&mut pace, &mut now, 1, Duration::from_micros(40));
    for _ in 0..20 {
        // 50,000 a second on average: 10 ms with twice as many, and 10 ms with none.
        let mut burst = (0..20).map(|_| {
            now += GATHER;
            pace.after(50, false, now, now)
        });
        assert!(burst.all(|wait| matches!(wait, Wait::Until(_))));
        now += Duration::from_millis(10);
    }
}

#[test]
fn a_pause_of_everything_does_not_end_it() {
    let mut now = Instant::now();
    let mut pace = Pace::new(SETTINGS, now);
    after_a_while(&mut pace, &mut now, 50, GATHER);
    for _ in 0..5 {
        // As when a hypervisor takes the core for 50 ms of each second.
        now += Duration::from_millis(50);
        for _ in 0..1900 {
            now += GATHER;
            assert!(matches!(pace.after(50, false, now, now), Wait::Until(_)));
        }
    }
}

#[test]
fn silence_ends_it_at_once() {
    let mut now = Instant::now();
    let mut pace = Pace::new(SETTINGS, now);
    after_a_while(&mut pace, &mut now, 1, Duration::from_micros(40));
    assert_eq!(pace.after(0, false, now + GATHER, now + GATHER), Wait::ForPacket);
}

#[test]
fn what_is_left_over_is_taken_at_once() {
    let mut now = Instant::now();
    let mut pace = Pace::new(SETTINGS, now);
    after_a_while(&mut pace, &mut now, 64, Duration::from_micros(500));
    assert_eq!(pace.after(256, true, now + GATHER, now + GATHER), Wait::NotAtAll);
}

#[test]
fn zero_means_never() {
    let mut now = Instant::now();
    let mut pace = Pace::new(PaceSettings { gather: Duration::ZERO, threshold: 0 }, now);
    assert_eq!(after_a_while(&mut pace, &mut now, 64, Duration::from_micros(10)), Wait::ForPacket);
}

#[test]
fn the_timer_is_set_earlier_by_what_it_is_late() {
    let (mut now, late) = (Instant::now(), Duration::from_micros(60));
    let mut pace = Pace::new(SETTINGS, now);
    after_a_while(&mut pace, &mut now, 50, GATHER);
    (0..100).for_each(|_| pace.woke_late(late));
    let Wait::Until(deadline) = pace.after(50, false, now, now) else { panic!("it was busy") };
    assert!((deadline + late).saturating_duration_since(now + GATHER) < Duration::from_micros(1));
    // One long absence moves it little, and many no further than a quarter.
    (0..100).for_each(|_| pace.woke_late(Duration::from_secs(1)));
    let Wait::Until(deadline) = pace.after(50, false, now, now) else { panic!("it was busy") };
    assert!(deadline >= now + GATHER * 3 / 4);
}

#[test]
fn a_packet_waits_for_its_batch_to_be_handled_within_the_same_time() {
    let (mut now, handling) = (Instant::now(), Duration::from_micros(120));
    let mut pace = Pace::new(SETTINGS, now);
    after_a_while(&mut pace, &mut now, 50, GATHER);
    let settled = |pace: &mut Pace, handling| {
        (0..100).map(|_| pace.after(50, false, now, now + handling)).last().expect("a hundred")
    };
    let Wait::Until(deadline) = settled(&mut pace, handling) else { panic!("it was busy") };
    assert!((deadline + handling).saturating_duration_since(now + GATHER) < Duration::from_micros(1));
    // However long it takes, half of the time remains.
    let Wait::Until(deadline) = settled(&mut pace, Duration::from_secs(1)) else { panic!("it was busy") };
    assert!(deadline >= now + GATHER / 2);
}
