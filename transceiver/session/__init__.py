"""The sans-IO session: ICE-lite, DTLS, RTP and RTCP of one client; bytes and time in, actions out."""
