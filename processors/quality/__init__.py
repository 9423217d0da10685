"""Monitors of whether the inputs of a model are what they should be: present, typed, known, in range."""
