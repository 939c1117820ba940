"""From the worker's audio to packets at the wire clock."""
