"""The event log: one CSV of everything that happened, read tolerantly and written exactly."""
