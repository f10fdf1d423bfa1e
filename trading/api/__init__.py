"""The routes of intentions."""
