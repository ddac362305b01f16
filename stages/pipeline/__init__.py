"""How a stage gets its parameters, finds and writes its files, and reports a mistake. Imports no other room."""
