"""Load the demo and print the figures of its account."""
