"""The Realtime API's JSON, as data: what clients may send, and what the fabric sends."""
