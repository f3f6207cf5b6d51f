"""`otel-llm demo`: an unchanged app against recorded providers, and what was seen of it."""
