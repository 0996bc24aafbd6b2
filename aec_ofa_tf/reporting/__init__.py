"""TensorBoard summaries and plots."""
