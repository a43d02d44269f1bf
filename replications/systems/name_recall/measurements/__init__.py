"""What is measured on a name-recall model: one file for each section of the document."""
