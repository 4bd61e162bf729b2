"""Foundations of every program of this package: errors, values, commands, clocks, blocks of a disk."""
