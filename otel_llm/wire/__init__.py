"""Bytes to records: what LLM providers say on the wire, decoded by pure functions.

No module here does I/O, reads a clock or the environment, or imports OpenTelemetry or an HTTP library.
"""
