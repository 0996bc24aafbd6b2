"""How well a model does on sound that is not as clean as its records."""
