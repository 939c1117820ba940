"""Media as samples: codecs, the jitter buffer with its playout clock, and the threads that decode and encode."""
