"""Routing keys and API keys: made, rotated and retired, in a file or in a Kubernetes Secret."""
