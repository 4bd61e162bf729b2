"""QEMU: arguments as data, a life cycle that leaks nothing, the serial log, the screen, what a failure looks like."""
