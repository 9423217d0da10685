"""Tests of the alerts: their life, their events, their log lines."""
