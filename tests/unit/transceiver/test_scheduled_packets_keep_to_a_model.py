"""The `python` port's schedule against a plain model; `datapath/tests/media` asks the same of the native one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from transceiver.media_port.interface import MAX_SCHEDULED, Path
from transceiver.media_port.rtp_schedule import RtpSchedule
from wire.address import Address

PATHS = [Path(Address("198.51.100.7", port), Address("203.0.113.1", 3478)) for port in (1, 2)]
SESSIONS = st.integers(0, 2)
ROUTES = st.sampled_from(PATHS)
Step = tuple[str, int, Path, float]


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("push"), SESSIONS, ROUTES, st.floats(0, 0.2)),
            st.tuples(st.just("push"), SESSIONS, ROUTES, st.just(0.0)),
            st.tuples(st.just("take back"), SESSIONS, ROUTES, st.just(0.0)),
            st.tuples(st.just("reroute"), SESSIONS, ROUTES, st.just(0.0)),
            st.tuples(st.just("forget"), SESSIONS, ROUTES, st.just(0.0)),
            st.tuples(st.just("wait"), SESSIONS, ROUTES, st.floats(0, 0.05)),
        ),
        max_size=200,
    )
)
def test_each_session_gets_its_packets_in_order_when_due_and_none_that_was_taken_back(steps: list[Step]) -> None:
    schedule = RtpSchedule()
    rows: dict[int, list[tuple[float, bytes]]] = {}
    paths: dict[int, Path] = {}
    now = 1000.0
    for number, (step, session, path, seconds) in enumerate(steps):
        row = rows.setdefault(session, [])
        match step:
            case "push":
                paths[session] = path
                packet = number.to_bytes(2, "big")
                assert schedule.push(session, path, packet, now + seconds) == (len(row) < MAX_SCHEDULED)
                if len(row) < MAX_SCHEDULED:
                    row.append((max(now + seconds, row[-1][0] if row else 0.0), packet))
            case "take back":
                assert schedule.waiting(session) == len(row)
                assert schedule.take_back(session) == len(row)
                row.clear()
            case "forget":
                schedule.forget(session)
                row.clear()
            case "reroute":
                schedule.reroute(session, path)
                paths[session] = path
            case _:
                now += seconds
                left: dict[int, list[tuple[Path, bytes]]] = {}
                while (due := schedule.pop(now)) is not None:
                    left.setdefault(due.session_id, []).append((due.path, due.packet))
                expected = {
                    each: [(paths[each], packet) for when, packet in waiting if when <= now]
                    for each, waiting in rows.items()
                }
                assert left == {each: packets for each, packets in expected.items() if packets}
                rows = {each: [late for late in waiting if late[0] > now] for each, waiting in rows.items()}
        assert schedule.waiting(session) == len(rows[session])
        # Whoever waits until then misses nothing.
        soonest = min((waiting[0][0] for waiting in rows.values() if waiting), default=None)
        following = schedule.next_due()
        assert soonest is None or (following is not None and following <= soonest)
