"""The ways to write market data."""
