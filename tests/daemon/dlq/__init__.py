"""Tests of dead letters that come back."""
