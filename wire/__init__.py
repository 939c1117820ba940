"""Datagram formats that the relay and the transceiver share. Pure functions on bytes: no sockets, no clock, no state.

| module    | what it knows                                                                      |
| --------- | ---------------------------------------------------------------------------------- |
| `address` | transport addresses as text and as 16 bytes                                         |
| `drop`    | the one list of reasons for which a datagram is discarded                           |
| `demux`   | which protocol a datagram belongs to, from its first bytes                          |
| `stun`    | the parts of a STUN Binding request that routing needs, and its MESSAGE-INTEGRITY   |
| `ufrag`   | routing ufrags, the ICE passwords derived from them, and call ids                   |
| `spp`     | the Simple Proxy Protocol header between relay and transceiver                      |

Bytes from the network never raise here: a function returns what it read, or the `DropReason` to count.
The same formats are described in `proto/README.md` and pinned by the vectors in `proto/vectors/`.
"""
