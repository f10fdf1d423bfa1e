"""Write an account's ledger as an event log."""
