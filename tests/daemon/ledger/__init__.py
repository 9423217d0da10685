"""Tests of the ledger, most of them against a slow and plain model of its rules."""
