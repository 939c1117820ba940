"""Why keys are not changed."""


class KeyMisuse(Exception):
    """The step does not fit the keys as they are; the message is one line that says why."""


class SecretUnreachable(Exception):
    """The API server refused or could not be asked; the message is one line."""
