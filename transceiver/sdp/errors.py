"""Why an offer is refused."""


class OfferError(Exception):
    """An offer cannot be served. The message is for the person who wrote the client.

    Attributes:
        message: one sentence that says what is wrong and what to do.
        param: the attribute or line of the offer it is about, e.g. "a=rtcp-mux".
    """

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
