"""Ids as OpenAI writes them: what it is, and chance."""

import secrets


def new_id(kind: str) -> str:
    """`item_1f3a…`, for `kind` "item"; 96 bits of chance."""
    return f"{kind}_{secrets.token_hex(12)}"
