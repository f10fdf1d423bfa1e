"""Read a file of events into a ledger: what is good goes in, and of every other line it is said why not."""
