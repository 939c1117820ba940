"""Flow sync, the transceiver's side: what relays and other transceivers learn from this process."""
