"""Tests for environments of their own; scripts/matrix runs them, `make test` does not collect them."""
