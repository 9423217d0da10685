"""Fuzzing of messages and configurations: `make fuzz` is guided by coverage, the tests by a seed."""
