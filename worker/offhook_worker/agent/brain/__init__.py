"""What the agent answers: the interface that a language model would have, and a small brain of rules behind it."""
