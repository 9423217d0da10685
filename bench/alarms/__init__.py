"""How often the judges cry wolf: pane summaries of stable models are drawn, month after month, and judged."""
