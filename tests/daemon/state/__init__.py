"""Tests of the state file and the outbox."""
