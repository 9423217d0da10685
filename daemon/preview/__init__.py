"""Preview: what alerts there were, and what another configuration would have made of the same log."""
