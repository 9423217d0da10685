"""Tests that what the documentation shows is what the code does."""
