"""The media port: the UDP socket towards the relays, their envelope, demultiplexing and SRTP."""
