"""Dead letters that come back: found, chosen, corrected and sent once more."""
