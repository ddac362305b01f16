"""The built-in sample: strips of steel with surface defects, drawn by a generator."""
