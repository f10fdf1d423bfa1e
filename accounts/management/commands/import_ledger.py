"""Bring an event log into an account's ledger."""
