"""Measures Vigil's judgement and its cost on real data; nothing here is part of what is installed."""
