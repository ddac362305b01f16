"""What people type: `python -m stages COMMAND`. Each module is one command."""
