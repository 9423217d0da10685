"""Compiled loops (numba) over rows and cells, each tested against a plain-Python oracle."""
