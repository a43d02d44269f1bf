"""The claims, one file per system.  `pytest claims/` judges them."""
