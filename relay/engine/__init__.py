"""Engines: what forwards datagrams. `interface` says what an engine is, `python` is the readable one."""
