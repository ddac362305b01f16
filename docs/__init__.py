"""The code that draws pictures and tables for the pages in this folder."""
