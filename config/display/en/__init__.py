"""English, with the days and times of ISO 8601."""
