"""The Kaggle client, the journal of what was sent, the leaderboard's table, and the notebook."""
