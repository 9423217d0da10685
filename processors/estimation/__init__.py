"""How good models are likely to be before labels come, learnt from the outcomes that are known."""
