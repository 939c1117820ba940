"""Keeps events within what a transport carries."""

import json

from transceiver.realtime.schema import server_events

_LONGEST_TEXT = 256


def fit(event: server_events.Event, max_bytes: int) -> str:
    """The event as JSON text of `max_bytes` at most.

    Items are told without the images that make them too long: the client that sent an image has it. Any other event
    that is too long is replaced by an error that names it.
    """
    text = json.dumps(event)
    # JSON written so is ASCII: one byte a character.
    if len(text) <= max_bytes:
        return text
    if "item" in event:
        text = json.dumps(event | {"item": _without_images(event["item"])})
    if len(text) > max_bytes:
        message = f"An event '{event['type']}' of {len(text)} bytes is too long for this transport."
        text = json.dumps(server_events.error(kind="server_error", code="event_too_large", message=message))
    return text


def _without_images(item: server_events.Event) -> server_events.Event:
    parts = [
        {key: value for key, value in part.items() if key != "image_url" or len(value) <= _LONGEST_TEXT}
        for part in item.get("content", ())
    ]
    return item | {"content": parts}
