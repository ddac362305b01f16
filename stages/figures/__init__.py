"""Pictures, charts and the parts of the report."""
