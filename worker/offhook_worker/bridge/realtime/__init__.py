"""A bridge to whatever speaks the OpenAI Realtime WebSocket."""
