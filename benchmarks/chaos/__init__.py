"""Orders while everything around them dies: `python -m benchmarks.chaos`."""
