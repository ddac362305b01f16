"""From probabilities to masks, and the search for the rules that do it best."""
