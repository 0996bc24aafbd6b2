"""Files for microcontrollers: what a network needs on a board that runs no Python."""
