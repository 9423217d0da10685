"""What is held over a long run, and at the bounds of what is taken in."""
