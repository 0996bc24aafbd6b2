"""Files for microcontrollers and their NPUs: what a network needs on a board without Python."""
