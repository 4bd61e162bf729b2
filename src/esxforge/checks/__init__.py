"""What the documentation demands of a machine, as a list of checks: found, needed, how to fix."""
