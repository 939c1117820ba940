"""Calls to a server of anybody's: placed, held, ended, and measured from the caller's side."""
