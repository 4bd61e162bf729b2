"""Checks of the documented requirements on a computer: found, needed, how to fix."""
