"""Tests of the command line: each command as its users run it, in a process of its own."""
