"""Tests of what operators order."""
