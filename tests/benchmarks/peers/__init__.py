"""The same service as others would write it: each a program that its library's users would know."""
