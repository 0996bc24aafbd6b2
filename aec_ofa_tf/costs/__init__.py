"""What a subnet costs, and budgets on it. No TensorFlow here."""
