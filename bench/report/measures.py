"""What each name in a result means, for those who read it: title, explanation, which direction is better.

A name that is not here is shown as it is; a benchmark may so have figures of its own.
"""

from typing import Final, NamedTuple

from bench.report.quantities import Better


class Measure(NamedTuple):
    """A named quantity.

    Attributes:
        title: as reports print it.
        better: which direction is.
        explained: a sentence for a reader who knows telephones and not WebRTC.
    """

    title: str
    better: Better
    explained: str = ""


MEASURES: Final[dict[str, Measure]] = {
    # Setting up a call. Times count from when the call was due, so that a slow target cannot delay the schedule.
    "setup": Measure("Call setup", "lower", "From when a call was due to begin until it first heard audio."),
    "setup_answer": Measure("Setup: HTTP answer", "lower", "From when a call was due until its SDP answer came."),
    "setup_ice": Measure("Setup: ICE", "lower", "From the SDP answer to the first ICE response: a path is found."),
    "setup_dtls": Measure("Setup: DTLS", "lower", "From the SDP answer until encryption is agreed on."),
    "setup_first_media": Measure("Setup: first audio", "lower", "From the SDP answer to the first audio packet heard."),
    "first_audio": Measure(
        "First audio of an answer", "lower", "From the end of the caller's turn until it is answered."
    ),
    # What comes back.
    "round_trip": Measure("Round trip", "lower", "From when a packet was due until its echo was heard."),
    "mouth_to_ear": Measure(
        "Mouth to ear",
        "lower",
        "From a mark in the caller's speech until the caller hears it again, its jitter buffer of 60 ms included.",
    ),
    "longest_silence": Measure("Longest gap", "lower", "The longest time in which a call heard nothing."),
    "silence": Measure(
        "Silence after a fault", "lower", "The longest time in which a call heard nothing, from a fault on."
    ),
    "jitter": Measure("Jitter", "lower", "How unevenly packets arrive (RFC 3550), of each call."),
    "interruption": Measure("Interruption", "lower", "From the caller's first word until the answer falls silent."),
    "mos": Measure(
        "Speech quality (MOS)",
        "higher",
        "Estimated from delay and loss by the E-model (ITU-T G.107): 4.0 is good, 3.0 poor.",
    ),
    "mos_p50": Measure("Speech quality, MOS", "higher"),
    "load_cores_used": Measure("Load, cores", "neither"),
    "machine_cores_busy": Measure("Machine busy, cores", "neither"),
    "lost_share": Measure("Packets lost", "lower", "Audio packets sent whose echo never came."),
    "reordered_share": Measure("Packets out of order", "lower", "Audio packets heard after a later one."),
    "duplicate_share": Measure("Packets twice", "lower", "Audio packets heard more than once."),
    "concealed_share": Measure("Audio concealed", "lower", "Share of the time that a decoder had to invent."),
    "failed_share": Measure("Calls failed", "lower", "Calls that never came up, or ended before they should."),
    # Over time.
    "active_calls": Measure("Calls up", "neither"),
    "setups": Measure("Calls set up", "neither"),
    "failures": Measure("Calls failed", "lower"),
    "packets_sent": Measure("Packets sent", "neither"),
    "packets_received": Measure("Packets heard", "neither"),
    "packets_lost": Measure("Packets lost", "lower"),
    "silent_calls": Measure("Calls that heard nothing for 100 ms or more", "lower"),
    "round_trip_p50": Measure("Round trip, median", "lower"),
    "round_trip_p99": Measure("Round trip, p99", "lower"),
    # What a fabric counts around a fault.
    "relays_received": Measure("Datagrams that relays got from callers, audio and the rest", "neither"),
    # What it costs.
    "cpu": Measure("CPU", "lower", "Running time of all threads of what is measured."),
    "cpu_share_of_core": Measure("CPU, of a core", "lower"),
    "memory": Measure("Memory per call", "lower"),
    "memory_at_end": Measure("Memory at the end", "lower"),
    "memory_at_end_per_call": Measure("Memory per call at the end", "lower"),
    "memory_held": Measure("Memory held", "lower"),
    "memory_growth": Measure("Memory grown by", "lower", "From the first look, or when as much expires as is made."),
    "memory_growth_since_second_look": Measure("Memory grown by since the second look", "lower"),
    "open_files_growth": Measure("Open files grown by", "lower"),
    "threads_growth": Measure("Threads grown by", "lower"),
    "tasks_growth": Measure("Tasks grown by", "lower"),
    "cpu_per_call": Measure("CPU per call-second", "lower", "CPU time of the server for a second of one call."),
    "cpu_per_setup": Measure("CPU per call setup", "lower"),
    "setup_p50": Measure("Call setup, median", "lower"),
    "setup_p99": Measure("Call setup, p99", "lower"),
    "round_trips_to_ice": Measure("Round trips to ICE", "lower", "From the answer on."),
    "round_trips_to_dtls": Measure("Round trips to DTLS", "lower"),
    "round_trips_to_media": Measure("Round trips to first audio", "lower"),
    "loop_lag_p99": Measure("Event loop late, p99 at most", "lower"),
    "connect_p50": Measure("Connecting, median", "lower"),
    "connect_p99": Measure("Connecting, p99", "lower"),
    "first_audio_p50": Measure("First audio, median", "lower"),
    "first_audio_p99": Measure("First audio, p99", "lower"),
    "heard_share": Measure("Heard of what was said", "neither"),
    "errors": Measure("Events refused", "lower"),
    "sessions_open": Measure("Sessions still open", "higher"),
    "readers_cut": Measure("Slow readers cut", "neither"),
    "cpu_per_packet": Measure("CPU per packet", "lower", "CPU time of the relay's thread, each direction counted."),
    "cpu_to_baseline": Measure("CPU, to plain C's", "lower"),
    "cpu_user": Measure("CPU: its own code", "lower"),
    "cpu_system": Measure("CPU: system calls", "lower"),
    "cpu_softirq": Measure("CPU: softirq", "lower"),
    "added_p50": Measure("Delay added, p50", "lower"),
    "added_p99": Measure("Delay added, p99", "lower", "One way, less that of datagrams that meet no relay."),
    "silence_p50": Measure("Longest silence, median", "lower"),
    "silence_p99": Measure("Longest silence, p99", "lower"),
    "silence_longest": Measure("Longest silence of all", "lower"),
    "packets_forwarded": Measure("Packets forwarded", "neither"),
    "five_tuples": Measure("Five-tuples in all", "neither"),
    "flows_at_end": Measure("Flows held at the end", "lower"),
    "cpu_per_frame": Measure("CPU per frame, both ends", "lower"),
    "cpu_per_frame_transceiver": Measure("Transceiver's", "lower"),
    "cpu_per_frame_worker": Measure("Worker's", "lower"),
    "frames_per_message": Measure("Frames per message", "neither"),
    "queue_delay_p95": Measure("Queue at the worker, p95", "lower"),
    "returned_share": Measure("Frames back in time", "higher"),
    # Of the load generator.
    "generator_late": Measure("Load sent late", "lower", "By how much the load generator missed its own schedule."),
}


def measure(name: str) -> Measure:
    """The measure of that name; of a name that has none, one that shows the name itself."""
    if name in MEASURES:
        return MEASURES[name]
    # Of a process that the run has named.
    if name.startswith("cpu_"):
        return Measure(f"CPU of {name.removeprefix('cpu_')}", "lower")
    return Measure(name.replace("_", " ").capitalize(), "neither")
