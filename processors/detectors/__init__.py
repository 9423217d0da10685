"""Sequential tests that monitors share: they remember, monitors decide what is counted and what it means."""
