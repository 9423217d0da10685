"""Tests of processors/anomaly."""
