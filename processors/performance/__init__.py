"""How right the models were: what follows from predictions and the labels that came for them."""
