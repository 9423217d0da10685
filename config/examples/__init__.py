"""Configuration files to start from; every one of them loads."""
