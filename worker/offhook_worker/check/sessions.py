"""Checks of sessions: who is taken, how many, what bad input does, and what is left when they are over."""

import asyncio

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.check import sound
from offhook_worker.check.caller import Caller
from offhook_worker.check.finding import Fault, Finding, Status
from offhook_worker.check.line import Line
from offhook_worker.check.scene import Scene, require_accepted

MAX_FORMAT_PAIRS = 16
MOST_SEATS = 256
_REJECT = worker_pb2.SessionReject


async def opening(scene: Scene) -> list[Finding]:
    """A session is accepted, soon, with credit."""
    async with scene.line() as line:
        asked_at = asyncio.get_running_loop().time()
        caller = await scene.opened(line)
        took_ms = (asyncio.get_running_loop().time() - asked_at) * 1000
        await caller.close()
    assert caller.accept is not None
    credit_ms = caller.accept.input_credit_ms
    seen = f"accepted after {took_ms:.0f} ms with {credit_ms} ms of input credit"
    if credit_ms < 200:
        advice = "let 200 ms or more of input wait, or every hiccup of the network costs the caller words"
        return [Finding("opening", Status.FAILED if credit_ms == 0 else Status.WARNING, seen, advice)]
    return [Finding("opening", Status.OK, seen)]


async def refusals(scene: Scene) -> list[Finding]:
    """What the worker does not serve is rejected by name."""
    strange = worker_pb2.AudioFormat(codec=worker_pb2.CODEC_PCM_S16LE, sample_rate_hz=12_345, channels=1)
    async with scene.line() as line:
        model = scene.caller(line, model="no-such-model-of-any-worker")
        audio = scene.caller(line, input_format=strange)
        await model.open()
        await audio.open()
    wrong = [
        *_wrong_reason("refusals", "an unknown model", model, _REJECT.REASON_UNKNOWN_MODEL),
        *_wrong_reason("refusals", "an unknown format", audio, _REJECT.REASON_UNSUPPORTED_FORMAT),
    ]
    return wrong or [Finding("refusals", Status.OK, "unknown models and formats are rejected by name")]


async def formats(scene: Scene) -> list[Finding]:
    """Every pair of formats that is offered is taken."""
    model = scene.target.model
    pairs = [(one, other) for one in model.input_formats for other in model.output_formats][:MAX_FORMAT_PAIRS]
    async with scene.line() as line:
        for input_format, output_format in pairs:
            caller = scene.caller(line, input_format=input_format, output_format=output_format)
            await caller.open()
            require_accepted(caller)
            await caller.close()
    return [Finding("formats", Status.OK, f"{len(pairs)} pairs of input and output taken")]


async def bad_input(scene: Scene) -> list[Finding]:
    """Whatever is wrong with one input, the session, its neighbour and the stream go on."""
    async with scene.line() as line:
        victim, neighbour = await scene.opened(line), await scene.opened(line)
        # What an echo makes of nonsense is nonsense.
        scene.callers.remove(victim)
        for message in _nonsense():
            await victim.send(message)
        await line.send(worker_pb2.SessionInput(session=4_000_000_000, text=worker_pb2.TextInput(text="nobody")))
        await line.send(worker_pb2.SessionInput(session=0))
        await victim.say(sound.frames(scene.target.input_format, 0.4), paced=False)
        before = line.pongs
        if not await line.wait_until(lambda: line.pongs >= before + 2, 5.0):
            raise (
                line.lost()
                if line.ended.is_set()
                else Fault(
                    "no pong for 5 s after malformed inputs", "count and drop an input that makes no sense, and read on"
                )
            )
        if neighbour.is_over:
            raise Fault("malformed inputs of one session ended another", "keep the fault of a session in that session")
        await neighbour.say(sound.frames(scene.target.input_format, 0.4), paced=False)
        ended = victim.is_over
        for caller in (victim, neighbour):
            await caller.close()
    if ended:
        return [Finding("bad input", Status.WARNING, "the session ended at it", "drop and count it; the call goes on")]
    return [Finding("bad input", Status.OK, f"{len(_nonsense()) + 2} malformed inputs; session and stream go on")]


async def many(scene: Scene) -> list[Finding]:
    """Many calls at once are all heard."""
    room = max(0, scene.target.hello.max_sessions)
    wanted = min(scene.target.options.sessions, room)
    async with scene.line() as line:
        callers = [scene.caller(line) for _ in range(wanted)]
        await asyncio.gather(*(caller.open() for caller in callers))
        for caller in callers:
            require_accepted(caller)
        spoken = sound.frames(scene.target.input_format, 2.0)
        await asyncio.gather(*(caller.say(spoken) for caller in callers))
        counted = await line.wait_load(wanted, 3.0, at_least=True)
        over = sum(caller.is_over for caller in callers)
        for caller in callers:
            await caller.close()
        if not counted:
            raise Fault(
                f"{wanted} sessions are open and the load report counts {line.loads[-1].report.sessions}",
                "count all sessions in LoadReport, and report every second and at once when capacity changes",
            )
    if over:
        advice = "find out in the worker's log what ended them"
        return [Finding("many sessions", Status.FAILED, f"{over} of {wanted} calls ended while they spoke", advice)]
    return [Finding("many sessions", Status.OK, f"{wanted} calls spoke at once for 2 s, all were heard")]


async def seats(scene: Scene) -> list[Finding]:
    """One session too many is rejected, and a seat that was left can be taken."""
    room = scene.target.hello.max_sessions
    if room > MOST_SEATS:
        return [Finding("seats", Status.SKIPPED, f"max_sessions is {room}; tried up to {MOST_SEATS}")]
    async with scene.line() as line:
        await _wait_idle(line, scene.target.options.settle_s)
        callers = [scene.caller(line) for _ in range(room)]
        await asyncio.gather(*(caller.open() for caller in callers))
        for caller in callers:
            require_accepted(caller)
        extra = scene.caller(line)
        await extra.open()
        wrong = _wrong_reason("seats", "a session beyond max_sessions", extra, _REJECT.REASON_AT_CAPACITY)
        for caller in callers:
            await caller.close()
        await _wait_idle(line, scene.target.options.settle_s)
        again = await scene.opened(line)
        await again.close()
    return wrong or [Finding("seats", Status.OK, f"{room} taken, the next rejected; free again afterwards")]


async def closing(scene: Scene) -> list[Finding]:
    """After SessionClose nothing comes, and the seat is free."""
    async with scene.line() as line:
        await _wait_idle(line, scene.target.options.settle_s)
        caller = await scene.opened(line)
        await scene.prompt(caller)
        _ = await caller.ask()
        await caller.close()
        closed_at = asyncio.get_running_loop().time()
        await _wait_idle(line, scene.target.options.settle_s)
        freed_ms = (asyncio.get_running_loop().time() - closed_at) * 1000
        settled = caller.heard_after_close
        await asyncio.sleep(0.5)
    if caller.heard_after_close > settled:
        advice = "stop the session's code at SessionClose, and send nothing more for its number"
        return [Finding("closing", Status.FAILED, "still sends for a session that is closed", advice)]
    return [Finding("closing", Status.OK, f"the seat was free after {freed_ms:.0f} ms, nothing came afterwards")]


async def _wait_idle(line: Line, within_s: float) -> None:
    """Until the seats of earlier checks are free; else this one would blame the worker for them."""
    if not await line.wait_load(0, within_s):
        count = line.loads[-1].report.sessions if line.loads else "no report; sessions"
        raise Fault(
            f"{within_s:.0f} s after all calls were closed, LoadReport.sessions is {count}",
            "free a session's seat when it is over, and report at once; check a worker that nobody else uses",
        )


def _wrong_reason(
    check: str, what: str, caller: Caller, reason: worker_pb2.SessionReject.Reason.ValueType
) -> list[Finding]:
    name = _REJECT.Reason.Name
    if caller.reject is not None and caller.reject.reason == reason:
        return []
    got = "accepted" if caller.reject is None else f"rejected with {name(caller.reject.reason)}"
    return [Finding(check, Status.FAILED, f"{what} was {got}", f"reject it with {name(reason)}")]


def _nonsense() -> list[worker_pb2.SessionInput]:
    made = worker_pb2.SessionInput
    return [
        made(),
        made(audio=worker_pb2.AudioFrame(payload=b"\x00\x01\x02")),
        made(audio=worker_pb2.AudioFrame(payload=b"", duration_us=20_000)),
        made(audio=worker_pb2.AudioFrame(payload=b"\xff" * 7, duration_us=20_000, media_time_us=1)),
        made(text=worker_pb2.TextInput(text="nobody says this")),
        made(image=worker_pb2.ImageInput(item_id="item_x", mime_type="image/png", data=b"no picture")),
        made(tool_result=worker_pb2.ToolResult(item_id="item_y", call_id="call_never_made", output="{")),
        made(turn=worker_pb2.TurnEvent()),
        made(turn=worker_pb2.TurnEvent(kind=worker_pb2.TurnEvent.KIND_COMMITTED, start_us=9_000_000, end_us=1)),
        made(interruption=worker_pb2.Interruption(response_id="resp_never_asked_for", played_us=2**60)),
        made(playout=worker_pb2.PlayoutPosition(response_id="resp_never_asked_for", played_us=2**60)),
        made(history_edit=worker_pb2.HistoryEdit(delete_item_id="item_never_made")),
        made(history_edit=worker_pb2.HistoryEdit()),
        made(dtmf=worker_pb2.Dtmf(event="Z", duration_ms=2**31)),
        made(response_item=worker_pb2.ResponseItem(response_id="resp_never_asked_for")),
        made(credit=worker_pb2.Credit()),
    ]
