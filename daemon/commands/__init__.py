"""The commands of `vigild`, one per file: `add` declares one, cheaply; what it needs is imported when it runs."""
