"""The report: one HTML file that needs neither a network nor this project."""
