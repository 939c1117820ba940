"""The Realtime API's semantics, sans-IO: one implementation for every transport that carries its events.

`session.RealtimeSession` is the whole: client events, worker outputs, turns, playout progress and the time go in;
effects (`effects`) come out: events for the client, inputs for the worker, commands for playout and turn taking.
"""
