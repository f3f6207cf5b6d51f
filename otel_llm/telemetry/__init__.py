"""Records to OpenTelemetry: spans, metrics, the details event."""
