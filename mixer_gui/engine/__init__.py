"""Runs a model: device, classification, report cache, priorities. Knows no window."""
