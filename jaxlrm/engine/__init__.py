"""The engine: models bound to the loop, its sizes, and the host's side."""
