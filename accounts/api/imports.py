"""Files brought into a ledger, and the ledger taken out as a file."""
