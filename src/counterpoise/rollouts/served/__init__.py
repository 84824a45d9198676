"""Responses from an OpenAI-compatible server; imported without torch."""
