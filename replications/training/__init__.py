"""Training small transformers, and the files of a run."""
