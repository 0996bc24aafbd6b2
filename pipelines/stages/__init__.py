"""The stages of `pipelines.train`, one module each: from the experiment to a JSON result."""
