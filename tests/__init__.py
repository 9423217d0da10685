"""What holds, said rule by rule; the folders mirror the tree they test."""
