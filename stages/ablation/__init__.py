"""Variants of one baseline: what to run, the runs, and what each variant gained."""
