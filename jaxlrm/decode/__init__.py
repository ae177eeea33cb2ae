"""Decoding: a token from its logits, and a step in every row."""
