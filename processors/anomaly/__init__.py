"""Monitors of what is unusual in itself, whatever the labels say: events, their number, their absence, latency."""
