"""Tests of the examples: what the README tells people to copy does what it says."""
