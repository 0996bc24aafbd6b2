"""Costs of subnets, and budgets. No TensorFlow here."""
