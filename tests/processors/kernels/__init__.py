"""Tests of processors/kernels."""
