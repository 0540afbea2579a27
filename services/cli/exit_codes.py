"""What `jetcron` and its services end with when they cannot start."""

CANNOT_START = 1
CONFIGURATION_REFUSED = 2
COMMAND_REFUSED = 1
