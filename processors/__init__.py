"""The core: pure monitoring capabilities, one a file, grouped by what they watch; no I/O, no clock, no chance."""
