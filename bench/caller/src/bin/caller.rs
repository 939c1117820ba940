//! Places calls as one JSON object on the command line says (see `options.rs`), and prints what it measures as JSON
//! lines. `offhook bench` runs it.

use std::process::ExitCode;

use std::time::Duration;

use offhook_bench_caller::calls::{self, calls};
use offhook_bench_caller::churn::churn;
use offhook_bench_caller::options::{Options, Run};
use offhook_bench_caller::play::{Plan, play};

fn main() -> ExitCode {
    let Some(text) = std::env::args().nth(1) else {
        eprintln!("usage: caller OPTIONS, one JSON object; src/options.rs names its keys");
        return ExitCode::from(2);
    };
    let mut options: Options = match serde_json::from_str(&text) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("caller: {error}");
            return ExitCode::from(2);
        }
    };
    // Others of this machine see command lines, but not environments.
    options.key = options.key.take().or_else(|| std::env::var("OFFHOOK_API_KEY").ok());
    // Packets leave when they are due, not when it saves power. Where that cannot be asked for, they leave a little later.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1_000));
    let ended = match &options.run {
        Run::Play { calls, seconds, storm_calls, storm_rate } => {
            let plan = Plan { calls: *calls, seconds: *seconds, storm_calls: *storm_calls, storm_rate: *storm_rate };
            play(&options, plan)
        }
        &Run::Calls {
            calls: number,
            processes,
            process,
            profile,
            measure_from_s,
            measure_to_s,
            hold_s,
            ear_buffer_ms,
            listeners,
        } => {
            let plan = calls::Plan {
                calls: number,
                processes,
                process,
                profile,
                measure_from: Duration::from_secs_f64(measure_from_s),
                measure_to: Duration::from_secs_f64(measure_to_s),
                hold: hold_s.map(Duration::from_secs_f64),
                ear_buffer: Duration::from_secs_f64(ear_buffer_ms / 1000.0),
                listeners,
            };
            calls(&options, plan)
        }
        Run::Churn { checkpoints, concurrent } => churn(&options, checkpoints, *concurrent),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("caller: {error}");
            ExitCode::FAILURE
        }
    }
}
