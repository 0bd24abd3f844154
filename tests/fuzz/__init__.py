"""Coverage-guided fuzzing of what reads bytes from outside: `./dev fuzz --minutes 20`."""
