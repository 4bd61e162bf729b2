"""What every program of this package stands on: errors, values, commands, clocks, blocks of a disk."""
