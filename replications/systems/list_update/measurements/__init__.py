"""What is measured on a list-update model: one module for each section of the document.

A measurement takes the task, the roles, the lens or other measurements, never the whole subject.
"""
