"""The problems, by name, and what was published for each."""

from __future__ import annotations

from collections.abc import Mapping

PUBLISHED: Mapping[str, str] = {
    "palindrome": "algorithmic/palindrome_classifier.pt",
    "unique": "algorithmic/first_unique_char_model.pt",
    "sum": "algorithmic/sum_model.pt",
    "sorted": "algorithmic/sorted_list_model.pt",
    "cumsum": "algorithmic/cumsum_model.pt",
}
"""Problem → the file of its published model."""
SUM_ONE_LAYER = "sum-one-layer"
"""Spoken of in the document, and not published: trained here alone."""
PUBLISHED_SEED = 42
"""The seed from which the published models were trained."""
