"""Spans of time in microseconds, the unit of all times in `processors`."""

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
