"""From waveform to log-mel, and the augmentations of log-mel clips."""
