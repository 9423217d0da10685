"""Tests of the processors: laws by hypothesis, numbers by River, scikit-learn and scipy."""
