"""Engines: what forwards datagrams. `interface` says what one is, `python` is the readable one, `native` the quick."""
