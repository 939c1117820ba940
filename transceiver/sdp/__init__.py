"""SDP offer in, SDP answer out (RFC 8866, RFC 8829, RFC 9429)."""
