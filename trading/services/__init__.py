"""What is written of intentions: one call each, atomic, refused by name."""
