"""The REST routes of market data."""
