"""Why calls fail: the fixed list of `bench/caller/src/cause.rs`, with a sentence for each."""

from typing import Final

CAUSES: Final = {
    "unreachable": "nobody listens at the target's address, or no way leads there",
    "http_timeout": "no HTTP response in time",
    "http_broken": "the HTTP connection broke",
    "unauthorized": "the target does not take the key (HTTP 401 or 403)",
    "busy": "the target has no room (HTTP 429 or 503)",
    "refused": "the target refuses the call (any other HTTP 3xx or 4xx)",
    "server_error": "the target failed (any other HTTP 5xx)",
    "bad_answer": "what came back is no SDP answer to the offer",
    "answer_timeout": "no answer within the time for setup",
    "ice_timeout": "an answer, but no response to STUN checks: UDP does not get there or back",
    "dtls_timeout": "ICE is up, but no DTLS",
    "media_timeout": "DTLS is up, but no audio came",
    "no_answer": "the caller had spoken, and no answer to it came",
    "connection_lost": "it was up; then STUN checks went unanswered",
    "closed_by_target": "it was up; then the target ended it",
    "generator": "the load client's own fault",
}
