"""Measurements: programs to run by hand, no tests."""
