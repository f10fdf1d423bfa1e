"""What portfolio writes for the world outside: files of reports."""
