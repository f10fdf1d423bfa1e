"""Questions to what was intended, and why."""
