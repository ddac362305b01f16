"""From probabilities to masks: the rules, and the search for the best ones."""
