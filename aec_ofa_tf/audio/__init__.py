"""The log-mel front end, and augmentations of log-mel clips."""
