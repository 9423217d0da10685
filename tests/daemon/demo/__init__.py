"""Tests of the simulated fleet: that its truth is true, and that Vigil finds it."""
