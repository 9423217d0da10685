"""Control: what operators order at run time through a topic of its own, and when it takes effect."""
