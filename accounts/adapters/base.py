"""What a reader of statements is: it takes a file apart into drafts of entries, line by line."""
