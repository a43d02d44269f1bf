"""Claims about the list-update model, one file for each step of the document."""
