"""What is served over HTTP: health, metrics, and a page for people."""
