"""What is measured on the models: one package for each problem, one module for each section."""
