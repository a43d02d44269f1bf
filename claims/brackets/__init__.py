"""Claims about the balanced-bracket classifier, one file for each part of the document."""
