"""Alerts: what becomes of the monitors' findings until somebody is told, and told that it is over."""
