"""Vigil's processes without the two seconds in which each would import what it is made of.

One process has imported Vigil and loaded its kernels, and forks for whoever asks (`tests.forking.__main__`). What it
forks is a process like any other: with an id, an exit code, memory and files of its own, and it minds signals. Tests
start some hundred of them. That a fresh interpreter comes to the same is left to those that start one: of the command
line, the demo, the examples, the container.
"""

from tests.forking.client import Forked, Nursery, Process, fork

__all__ = ["Forked", "Nursery", "Process", "fork"]
