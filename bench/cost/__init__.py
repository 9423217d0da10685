"""What watching costs beside reading: the sides of the comparison, each a process of its own, and how it is told."""
