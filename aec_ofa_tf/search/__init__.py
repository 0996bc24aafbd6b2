"""Finding the best subnet for a budget."""
