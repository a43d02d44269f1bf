"""Claims about five small published models of algorithmic problems, of which two are done."""
