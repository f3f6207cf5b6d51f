"""Every LLM call as one OpenTelemetry GenAI span."""
