"""Joining this host to vCenter."""
