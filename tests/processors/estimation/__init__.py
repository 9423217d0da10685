"""Tests of what is known before labels come."""
