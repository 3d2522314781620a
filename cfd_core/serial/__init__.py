"""Bytes in, values out, and back: wire messages and stored events."""
