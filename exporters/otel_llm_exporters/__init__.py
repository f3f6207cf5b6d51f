"""Destinations for GenAI spans."""
