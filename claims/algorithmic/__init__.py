"""Claims about five small published models of algorithmic problems."""
