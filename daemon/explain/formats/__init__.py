"""How model files are written: one file a format, each with a `FORMAT`; what lies here is found by itself."""
