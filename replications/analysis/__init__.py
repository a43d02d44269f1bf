"""Reading a model: logit attribution, head scores, linear fits, statistics."""

from replications.analysis.head_scores import (
    HeadScores,
    attention_back,
    repeated_tokens,
    scores,
    unrepeated_tokens,
)
from replications.analysis.linear_fits import LinearFit, cosine, fit
from replications.analysis.logit_attribution import LogitAttribution, directions, logit_attribution
from replications.analysis.statistics import (
    MeanInterval,
    auroc,
    bootstrap_mean,
    bootstrap_ratio,
    correlation,
    overlap,
    quantile,
    ratio,
    spearman,
    variation,
)

__all__ = [
    "HeadScores",
    "LinearFit",
    "LogitAttribution",
    "MeanInterval",
    "attention_back",
    "auroc",
    "bootstrap_mean",
    "bootstrap_ratio",
    "correlation",
    "cosine",
    "directions",
    "fit",
    "logit_attribution",
    "overlap",
    "quantile",
    "ratio",
    "repeated_tokens",
    "scores",
    "spearman",
    "unrepeated_tokens",
    "variation",
]
