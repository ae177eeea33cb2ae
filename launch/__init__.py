"""Programs: flags and config in, one library call, results out."""
