"""Ordinary events, read from their bytes by compiled loops: what is unusual about one is left to the slow way."""
