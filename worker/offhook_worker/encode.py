"""From what an author yields to the protocol."""

from functools import singledispatch

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.audio import Audio
from offhook_worker.events import TurnEvent
from offhook_worker.outputs import (
    Error,
    Flush,
    FunctionCall,
    InputTranscription,
    ResponseDone,
    ResponseStarted,
    Text,
    Transcript,
)

_INPUT_AT_FAULT = worker_pb2.SessionError.FAMILY_INVALID_REQUEST
_WORKER_AT_FAULT = worker_pb2.SessionError.FAMILY_WORKER


@singledispatch
def encode(output: object) -> worker_pb2.SessionOutput:
    """`output` as the protocol writes it, without its session number.

    Raises:
        TypeError: not an output.
        ValueError: audio without duration, or a number out of its range.
    """
    raise TypeError(f"a session yielded {type(output).__name__}, which is no output")


@encode.register
def _audio(audio: Audio) -> worker_pb2.SessionOutput:
    if audio.duration_us <= 0:
        raise ValueError("audio needs a duration above 0")
    frame = worker_pb2.AudioFrame(
        payload=audio.payload,
        media_time_us=audio.media_time_us,
        duration_us=audio.duration_us,
        audio_level_plus_one=0 if audio.level_dbov is None else audio.level_dbov + 1,
        response_id=audio.response_id,
    )
    return worker_pb2.SessionOutput(audio=frame)


@encode.register
def _text(text: Text) -> worker_pb2.SessionOutput:
    return worker_pb2.SessionOutput(text=worker_pb2.TextDelta(response_id=text.response_id, delta=text.delta))


@encode.register
def _transcript(words: Transcript) -> worker_pb2.SessionOutput:
    delta = worker_pb2.TranscriptDelta(
        response_id=words.response_id, delta=words.delta, audio_start_us=words.audio_start_us
    )
    return worker_pb2.SessionOutput(transcript=delta)


@encode.register
def _input_transcription(words: InputTranscription) -> worker_pb2.SessionOutput:
    transcription = worker_pb2.InputTranscription(
        item_id=words.item_id,
        delta=words.delta,
        done=words.done,
        text=words.text,
        language=words.language,
    )
    if words.failure:
        transcription.error.CopyFrom(_error_message(Error("transcription_failed", words.failure)))
    return worker_pb2.SessionOutput(input_transcription=transcription)


@encode.register
def _function_call(call: FunctionCall) -> worker_pb2.SessionOutput:
    delta = worker_pb2.FunctionCallDelta(
        response_id=call.response_id,
        call_id=call.call_id,
        name=call.name,
        arguments_delta=call.arguments_delta,
        done=call.done,
    )
    return worker_pb2.SessionOutput(function_call=delta)


@encode.register
def _response_started(started: ResponseStarted) -> worker_pb2.SessionOutput:
    return worker_pb2.SessionOutput(response_started=worker_pb2.ResponseStarted(response_id=started.response_id))


@encode.register
def _response_done(done: ResponseDone) -> worker_pb2.SessionOutput:
    message = worker_pb2.ResponseDone(
        response_id=done.response_id,
        status=worker_pb2.ResponseDone.Status.ValueType(done.status),
        usage=done.usage,
        stage_latency_ms=done.stage_latency_ms,
        error=None if done.error is None else _error_message(done.error),
    )
    return worker_pb2.SessionOutput(response_done=message)


@encode.register
def _flush(flush: Flush) -> worker_pb2.SessionOutput:
    return worker_pb2.SessionOutput(flush=worker_pb2.Flush(response_id=flush.response_id))


@encode.register
def _error(error: Error) -> worker_pb2.SessionOutput:
    return worker_pb2.SessionOutput(error=_error_message(error))


@encode.register
def _turn(turn: TurnEvent) -> worker_pb2.SessionOutput:
    message = worker_pb2.TurnEvent(
        kind=worker_pb2.TurnEvent.Kind.ValueType(turn.kind),
        item_id=turn.item_id,
        start_us=turn.start_us,
        end_us=turn.end_us,
    )
    return worker_pb2.SessionOutput(turn=message)


def _error_message(error: Error) -> worker_pb2.SessionError:
    return worker_pb2.SessionError(
        family=_INPUT_AT_FAULT if error.input_at_fault else _WORKER_AT_FAULT, code=error.code, message=error.message
    )
