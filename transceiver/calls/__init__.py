"""Calls: a client's session joined to a model."""
