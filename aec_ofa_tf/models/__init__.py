"""CNN10 as a standalone model, as a supernet, and the way from one to the other."""
