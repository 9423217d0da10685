"""Monitors of change: in the features, in the predictions, and in how often predictions are wrong."""
