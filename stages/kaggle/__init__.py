"""The Kaggle client, the journal of what was sent, and the notebook."""
