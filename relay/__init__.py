"""The relay: steers datagrams between clients and transceivers. Keeps no session and no secret but the routing keys."""
