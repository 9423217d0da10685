"""Tests of what a configuration switches on, end to end over files: from events to alerts."""
