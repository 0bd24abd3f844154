"""A stand-in for Copernica's REST API; start it with `python -m tests.standin`."""
