"""Real SDKs against a provider that replays what was recorded."""
