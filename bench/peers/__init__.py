"""Other monitors on the same rows as Vigil, each in an environment of its own, doing the nearest equal work."""
