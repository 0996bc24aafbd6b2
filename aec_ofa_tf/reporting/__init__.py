"""Tables, pictures and TensorBoard events."""
