"""Tests of sources that need no broker."""
