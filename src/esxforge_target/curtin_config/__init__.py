"""The desired host: what MAAS asks of this machine, read from curtin's configuration, with all validation_errors at
once."""
