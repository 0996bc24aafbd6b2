"""Published checkpoints as plain Keras models: a teacher, or the start of a supernet."""

DESCRIPTION = "import.json"
"""Name of the file that describes an imported network, in its folder."""
