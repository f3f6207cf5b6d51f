"""The gateway that observes what passes through it."""
