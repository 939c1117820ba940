//! What is counted of packets that came back, and how times become figures.

use std::time::{Duration, Instant};

use offhook_bench_caller::arrivals::Arrivals;
use offhook_bench_caller::figures::Times;
use offhook_bench_caller::schedule::{Rounds, Schedule};
use offhook_bench_caller::window::Window;

const MS: Duration = Duration::from_millis(1);

#[test]
fn losses_duplicates_order_and_silence_are_told_apart() {
    let now = Instant::now();
    let mut arrivals = Arrivals::default();
    for (index, at_ms) in [(0, 0), (2, 40), (1, 41), (2, 42), (200, 142)] {
        arrivals.arrived(index, now + MS * at_ms);
    }
    assert_eq!((arrivals.received, arrivals.duplicates, arrivals.reordered), (4, 1, 1));
    assert_eq!(arrivals.longest_silence, MS * 101);
}

#[test]
fn quantiles_are_those_of_what_was_added() {
    let mut times = Times::default();
    assert_eq!(times.figures()["count"], 0);
    for us in 1..=1000 {
        times.add(Duration::from_micros(us));
    }
    times.add(Duration::from_secs(3600));
    let figures = times.figures();
    let near = |name: &str, wanted: f64| {
        let value = figures[name].as_f64().expect("a number");
        assert!((value - wanted).abs() <= wanted * 0.002, "{name} is {value}");
    };
    near("p50", 501.0);
    near("p99", 991.0);
    // What takes longer than a minute counts as a minute.
    near("max", 60_000_000.0);
}

#[test]
fn a_window_expects_what_is_due_in_it_and_counts_nothing_else() {
    let origin = Instant::now();
    let begin = origin + MS * 110;
    let mut window = Window::new(begin, begin + MS * 100);
    window.watch(0, origin);
    // Due at 100, 120 and 200 ms; then the second again, and one of a caller who is not watched.
    for (slot, index) in [(0, 5), (0, 6), (0, 10), (0, 6), (1, 6)] {
        let due = origin + MS * 20 * index;
        window.heard(slot, due, index, due + MS);
    }
    let figures = window.figures();
    assert_eq!(figures["sent"], 5, "120, 140, 160, 180 and 200 ms");
    assert_eq!(figures["received"], 2);
    assert_eq!(figures["lost"], 3);
    assert_eq!(figures["duplicates"], 1);
    assert_eq!(figures["round_trip_us"]["count"], 2);
    assert_eq!(figures["round_trip_us"]["p50"], 1000);
}

#[test]
fn what_is_due_comes_in_order_and_not_before_its_time() {
    let now = Instant::now();
    let (mut schedule, mut rounds) = (Schedule::default(), Rounds::default());
    for (slot, ms) in [(3, 30), (1, 10), (4, 40), (2, 20)] {
        schedule.add(now + MS * ms, slot);
        rounds.add(now + MS * ms, slot);
    }
    let due = now + MS * 30;
    let taken: Vec<_> = std::iter::from_fn(|| schedule.take_due(due)).map(|(_, slot)| slot).collect();
    let same: Vec<_> = std::iter::from_fn(|| rounds.take_due(due)).map(|(_, slot)| slot).collect();
    assert_eq!(taken, [1, 2, 3]);
    assert_eq!(same, taken);
    assert_eq!((schedule.next(), rounds.next()), (Some(now + MS * 40), Some(now + MS * 40)));
}
