"""What batching buys on the worker link."""
