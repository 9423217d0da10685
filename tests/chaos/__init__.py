"""Vigil under fire: everything around it is killed, stopped and cut at random, seeded moments; nothing may be lost.

`python -m tests.chaos --seed N --kills N` (or `make chaos`) runs a campaign; docs/chaos.md says what it holds.
"""
