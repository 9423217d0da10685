"""Tests of the profile: what is admitted, how it is numbered, and where values fall."""
