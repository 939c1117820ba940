"""The HTTP API: the Realtime API's calls, WHIP, models and the demo page. Thin: calls live in transceiver.calls."""
