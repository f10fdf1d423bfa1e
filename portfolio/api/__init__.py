"""Derived figures by REST, all of them read-only."""
