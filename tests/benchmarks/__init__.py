"""Measurements: programs to run by hand, and tests that they measure what they say."""
