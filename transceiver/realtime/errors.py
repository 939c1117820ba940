"""What a client did wrong, as the Realtime API's `error` event tells it."""


class EventError(Exception):
    """A client event that is refused; the session goes on.

    Args:
        message: one sentence, in OpenAI's words where it has some: clients match on them.
        code: stable slug, OpenAI's where it has one.
        param: path of the offending field, `session.audio.output.speed`.
        kind: `error.type`: "invalid_request_error", or "server_error" where the client is not at fault.
    """

    def __init__(
        self, message: str, *, code: str, param: str | None = None, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
