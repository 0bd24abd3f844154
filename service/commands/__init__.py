"""The commands: what operators call by hand, and what only that needs."""
