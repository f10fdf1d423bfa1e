"""Strategies, one a module: what they may be told, and what they would hold after each bar."""
