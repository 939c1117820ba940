"""Checks of what a model says that it can beyond audio in, audio out."""

import json
import zlib

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.check import sound
from offhook_worker.check.finding import Fault, Finding, Status
from offhook_worker.check.scene import Scene, require_accepted

_WEATHER = worker_pb2.Tool(
    name="get_weather",
    description="The weather in a city.",
    parameters_json=json.dumps(
        {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        }
    ),
)
_QUESTION_FOR_IT = "What is the weather in Paris?"
_TRANSCRIPT_S = 10.0


async def written_answers(scene: Scene) -> list[Finding]:
    """Asked for text, the model writes and does not speak."""
    if not scene.target.can(worker_pb2.CAPABILITY_TEXT_OUTPUT):
        return [_not_offered("written answers", "TEXT_OUTPUT")]
    async with scene.line() as line:
        caller = await scene.opened(line)
        await scene.prompt(caller)
        asked = await caller.ask(worker_pb2.SessionConfig(output_modalities=[worker_pb2.MODALITY_TEXT]))
        answer = await caller.complete(asked, scene.target.options.answer_s)
        await caller.close()
    if answer.audio_us:
        advice = "where output_modalities is [TEXT], send TextDelta and no audio"
        return [Finding("written answers", Status.FAILED, "asked for text alone, it spoke", advice)]
    if not answer.text:
        return [Finding("written answers", Status.FAILED, "no TextDelta came", "send the answer as TextDelta")]
    return [Finding("written answers", Status.OK, f"{len(answer.text)} characters")]


async def functions(scene: Scene) -> list[Finding]:
    """A declared function is called, and its result answered from."""
    if not scene.target.can(worker_pb2.CAPABILITY_FUNCTION_CALLS):
        return [_not_offered("functions", "FUNCTION_CALLS")]
    if not scene.target.can(worker_pb2.CAPABILITY_TEXT_INPUT):
        return [Finding("functions", Status.SKIPPED, "the model does not read: no question fits a function for sure")]
    required = worker_pb2.ToolChoice(mode=worker_pb2.ToolChoice.MODE_REQUIRED)
    config = worker_pb2.SessionConfig(tools=[_WEATHER], tool_choice=required)
    async with scene.line() as line:
        caller = await scene.opened(line, config=config)
        await caller.type(_QUESTION_FOR_IT)
        answer = await caller.complete(await caller.ask(), scene.target.options.answer_s)
        if not answer.calls:
            await caller.close()
            advice = "with tool_choice REQUIRED, answer with a FunctionCallDelta"
            return [Finding("functions", Status.FAILED, "tool_choice was REQUIRED, and no function was called", advice)]
        for call_id in answer.calls:
            output = json.dumps({"weather": "sunny", "temperature_celsius": 21})
            result = worker_pb2.ToolResult(item_id=f"item_{call_id}", call_id=call_id, output=output)
            await caller.send(worker_pb2.SessionInput(tool_result=result))
        after = await caller.ask(worker_pb2.SessionConfig(tools=[_WEATHER]))
        reply = await caller.complete(after, scene.target.options.answer_s)
        await caller.close()
    (call, *_) = answer.calls.values()
    if not reply.audio_us and not reply.text:
        raise Fault("nothing was said from the function's result", "answer the request that follows a ToolResult")
    said = reply.transcript or reply.text
    return [Finding("functions", Status.OK, f"{call.name}({call.arguments_delta}), then {said.strip()[:60]!r}")]


async def transcription(scene: Scene) -> list[Finding]:
    """What the caller said comes back as text, or why not."""
    if not scene.target.can(worker_pb2.CAPABILITY_INPUT_TRANSCRIPTION):
        return [_not_offered("transcription", "INPUT_TRANSCRIPTION")]
    async with scene.line() as line:
        config = worker_pb2.SessionConfig(transcription=worker_pb2.Transcription(language="en"))
        caller = await scene.opened(line, config=config)
        item_id = await caller.turn(scene.spoken())

        def is_there() -> bool:
            return item_id in caller.transcriptions or "" in caller.transcriptions

        if not await line.wait_until(is_there, _TRANSCRIPT_S):
            raise Fault(
                f"no InputTranscription within {_TRANSCRIPT_S:.0f} s of a committed turn",
                "with SessionConfig.transcription, complete each committed item with text (maybe empty) or an error",
            )
        words = caller.transcriptions.get(item_id) or caller.transcriptions[""]
        await caller.close()
    seen = f"no transcript: {words.error.message!r}" if words.HasField("error") else f"{words.text!r}"
    return [Finding("transcription", Status.OK, seen)]


async def images(scene: Scene) -> list[Finding]:
    """A picture is taken."""
    if not scene.target.can(worker_pb2.CAPABILITY_IMAGE_INPUT):
        return [_not_offered("images", "IMAGE_INPUT")]
    async with scene.line() as line:
        caller = await scene.opened(line)
        picture = worker_pb2.ImageInput(item_id="item_picture", mime_type="image/png", data=_png(), detail="low")
        await caller.send(worker_pb2.SessionInput(image=picture))
        await scene.prompt(caller)
        answer = await caller.complete(await caller.ask(), scene.target.options.answer_s)
        await caller.close()
    assert answer.done is not None
    if answer.done.status != worker_pb2.ResponseDone.STATUS_COMPLETED:
        raise Fault("the answer to a message with a picture failed", "take image/png and image/jpeg")
    return [Finding("images", Status.OK, "a picture was taken and answered")]


async def history(scene: Scene) -> list[Finding]:
    """A conversation that began elsewhere is taken over."""
    if not scene.target.can(worker_pb2.CAPABILITY_HISTORY):
        advice = "take SessionOpen.history, so that calls outlive another worker"
        return [Finding("taking over", Status.SKIPPED, "the model does not say HISTORY", advice)]
    items = [
        _said("item_1", worker_pb2.ROLE_USER, "My name is Ada."),
        _said("item_2", worker_pb2.ROLE_ASSISTANT, "Hello Ada."),
        worker_pb2.HistoryItem(
            item_id="item_3",
            function_call=worker_pb2.FunctionCall(call_id="call_1", name="get_weather", arguments_json="{}"),
        ),
        worker_pb2.HistoryItem(
            item_id="item_4", tool_result=worker_pb2.ToolResult(item_id="item_4", call_id="call_1", output="sunny")
        ),
    ]
    async with scene.line() as line:
        caller = scene.caller(line, history=items)
        await caller.open()
        require_accepted(caller)
        await scene.prompt(caller)
        _ = await caller.complete(await caller.ask(), scene.target.options.answer_s)
        await caller.close()
    return [Finding("taking over", Status.OK, "took a conversation of 4 items and answered in it")]


async def push_to_talk(scene: Scene) -> list[Finding]:
    """A turn without speech events, an update of the session and a key in between."""
    async with scene.line() as line:
        caller = await scene.opened(line)
        update = worker_pb2.SessionUpdate(config=worker_pb2.SessionConfig(instructions="Be brief.", voice="another"))
        await caller.send(worker_pb2.SessionInput(update=update))
        await caller.send(worker_pb2.SessionInput(dtmf=worker_pb2.Dtmf(event="5", duration_ms=100)))
        await caller.say(sound.frames(scene.target.input_format, 1.0), paced=False)
        committed = worker_pb2.TurnEvent.KIND_COMMITTED
        turn = worker_pb2.TurnEvent(kind=committed, item_id="item_held", start_us=0, end_us=caller.media_time_us)
        await caller.send(worker_pb2.SessionInput(turn=turn))
        _ = await caller.complete(await caller.ask(), scene.target.options.answer_s)
        await caller.close()
    return [Finding("push to talk", Status.OK, "a turn with a commit alone was answered, after an update and a key")]


def _said(item_id: str, role: worker_pb2.Role.ValueType, text: str) -> worker_pb2.HistoryItem:
    message = worker_pb2.Message(role=role, content=[worker_pb2.Content(text=text)])
    return worker_pb2.HistoryItem(item_id=item_id, message=message)


def _not_offered(check: str, capability: str) -> Finding:
    return Finding(check, Status.SKIPPED, f"the model does not say {capability}")


def _png() -> bytes:
    """One red pixel (https://www.w3.org/TR/png-3/#11Chunks)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    pixel = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
