"""Files for microcontrollers and their NPUs."""
