"""QEMU: arguments as data, a life cycle that leaks nothing, the serial log, the screen, and what a failure looks like."""
