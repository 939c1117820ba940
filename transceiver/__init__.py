"""The transceiver: owns the calls, with their ICE, DTLS, SRTP, SDP and playout, and serves the API."""
