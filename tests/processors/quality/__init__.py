"""Tests of processors/quality."""
