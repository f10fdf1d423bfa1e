"""Our accounts behind Alpaca's wire format: clients written for Alpaca work here with another address; docs/alpaca.md differs."""
