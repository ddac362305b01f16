"""Variants of one baseline: the plan, the experiments, and what each variant gained."""
