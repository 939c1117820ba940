"""From what an author yields to the protocol."""

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.audio import Audio
from offhook_worker.events import TurnEvent
from offhook_worker.outputs import (
    Error,
    Flush,
    FunctionCall,
    InputTranscription,
    Output,
    ResponseDone,
    ResponseStarted,
    Text,
    Transcript,
)


def encode(output: Output) -> worker_pb2.SessionOutput:
    """`output` as the protocol writes it, without its session number.

    Raises:
        TypeError: not an output.
        ValueError: audio without duration, or a number out of its range.
    """
    match output:
        case Audio():
            return worker_pb2.SessionOutput(audio=_audio(output))
        case Text(response_id, delta):
            return worker_pb2.SessionOutput(
                text=worker_pb2.TextDelta(response_id=response_id, delta=delta)
            )
        case Transcript(response_id, delta, audio_start_us):
            words = worker_pb2.TranscriptDelta(
                response_id=response_id, delta=delta, audio_start_us=audio_start_us
            )
            return worker_pb2.SessionOutput(transcript=words)
        case InputTranscription():
            return worker_pb2.SessionOutput(
                input_transcription=_input_transcription(output)
            )
        case FunctionCall():
            return worker_pb2.SessionOutput(function_call=_function_call(output))
        case ResponseStarted(response_id):
            return worker_pb2.SessionOutput(
                response_started=worker_pb2.ResponseStarted(response_id=response_id)
            )
        case ResponseDone():
            return worker_pb2.SessionOutput(response_done=_response_done(output))
        case Flush(response_id):
            return worker_pb2.SessionOutput(
                flush=worker_pb2.Flush(response_id=response_id)
            )
        case Error():
            return worker_pb2.SessionOutput(error=_error(output))
        case TurnEvent():
            return worker_pb2.SessionOutput(turn=_turn(output))
        case _:
            raise TypeError(
                f"a session yielded {type(output).__name__}, which is no output"
            )


def _audio(audio: Audio) -> worker_pb2.AudioFrame:
    if audio.duration_us <= 0:
        raise ValueError("audio needs a duration above 0")
    return worker_pb2.AudioFrame(
        payload=audio.payload,
        media_time_us=audio.media_time_us,
        duration_us=audio.duration_us,
        audio_level_plus_one=0 if audio.level_dbov is None else audio.level_dbov + 1,
        response_id=audio.response_id,
    )


def _input_transcription(words: InputTranscription) -> worker_pb2.InputTranscription:
    return worker_pb2.InputTranscription(
        item_id=words.item_id,
        delta=words.delta,
        done=words.done,
        text=words.text,
        language=words.language,
    )


def _function_call(call: FunctionCall) -> worker_pb2.FunctionCallDelta:
    return worker_pb2.FunctionCallDelta(
        response_id=call.response_id,
        call_id=call.call_id,
        name=call.name,
        arguments_delta=call.arguments_delta,
        done=call.done,
    )


def _response_done(done: ResponseDone) -> worker_pb2.ResponseDone:
    return worker_pb2.ResponseDone(
        response_id=done.response_id,
        status=worker_pb2.ResponseDone.Status.ValueType(done.status),
        usage=done.usage,
        stage_latency_ms=done.stage_latency_ms,
    )


def _error(error: Error) -> worker_pb2.SessionError:
    at_fault = worker_pb2.SessionError
    return worker_pb2.SessionError(
        family=at_fault.FAMILY_INVALID_REQUEST
        if error.input_at_fault
        else at_fault.FAMILY_WORKER,
        code=error.code,
        message=error.message,
    )


def _turn(turn: TurnEvent) -> worker_pb2.TurnEvent:
    return worker_pb2.TurnEvent(
        kind=worker_pb2.TurnEvent.Kind.ValueType(turn.kind),
        item_id=turn.item_id,
        start_us=turn.start_us,
        end_us=turn.end_us,
    )
