"""Tests of what follows from predictions and their labels."""
