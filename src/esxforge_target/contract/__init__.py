"""Data that hook, installer step and agent pass to each other: typed documents, and the names of files."""
