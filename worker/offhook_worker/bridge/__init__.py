"""Workers that bridge to the engines which the field runs: OpenAI-compatible HTTP, and the Realtime WebSocket."""
