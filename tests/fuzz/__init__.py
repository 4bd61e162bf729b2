"""Hostile input for every reader: make fuzz. What was found once stays in tests/data/hostile, a directory a reader."""
