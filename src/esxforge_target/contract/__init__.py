"""What hook, installer step and agent hand to each other: typed documents, and the names of files."""
