"""The trained networks outside of this repository: their formats, the code that runs them, the model card."""
