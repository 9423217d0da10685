"""Explanations: real model files, and the process beside the daemon that explains a sample of what they predicted."""
