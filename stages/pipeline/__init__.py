"""How stages read parameters, find and write files, and report mistakes. Imports no other package of the project."""
