"""Faults drawn at random over real parts, and what is needed to cause them."""
