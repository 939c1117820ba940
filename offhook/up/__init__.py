"""A whole fabric on one machine: every role as its own process, supervised."""
