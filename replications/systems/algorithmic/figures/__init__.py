"""The pictures of the documents, drawn from the measurements of one model."""

from __future__ import annotations

from replications.systems.algorithmic.figures.addition import (
    answer_circle,
    carry_hierarchy,
    write_map,
)
from replications.systems.algorithmic.figures.cumsum import (
    neuron_responses,
    neurons_off,
    number_line,
)
from replications.systems.algorithmic.figures.palindrome import (
    ablations,
    difference_cosines,
    end_attention,
    position_matching,
    token_matching,
)
from replications.systems.algorithmic.figures.sorting import by_gap, copying, number_scores
from replications.systems.algorithmic.figures.unique import duplicates, letter_scores, paths

PICTURES = (
    ablations,
    token_matching,
    position_matching,
    end_attention,
    difference_cosines,
    duplicates,
    letter_scores,
    paths,
    write_map,
    carry_hierarchy,
    answer_circle,
    copying,
    number_scores,
    by_gap,
    number_line,
    neurons_off,
    neuron_responses,
)
NOT_DRAWN: dict[str, str] = {}

__all__ = ["NOT_DRAWN", "PICTURES", "ablations"]
