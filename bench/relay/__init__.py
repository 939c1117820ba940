"""CPU, latency and loss of a relay under load."""
