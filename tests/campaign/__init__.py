"""A seeded random campaign of faults over real parts, and an accountant who judges it."""
