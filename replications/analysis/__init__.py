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
from replications.analysis.prompt_attribution import (
    Component,
    PromptAttribution,
    attribute_logits,
)
from replications.analysis.statistics import (
    Intervals,
    MeanInterval,
    auroc,
    bootstrap_mean,
    bootstrap_means,
    bootstrap_ratio,
    bootstrap_ratios,
    correlation,
    overlap,
    quantile,
    ratio,
    spearman,
    variation,
)

__all__ = [
    "Component",
    "HeadScores",
    "Intervals",
    "LinearFit",
    "LogitAttribution",
    "MeanInterval",
    "PromptAttribution",
    "attention_back",
    "attribute_logits",
    "auroc",
    "bootstrap_mean",
    "bootstrap_means",
    "bootstrap_ratio",
    "bootstrap_ratios",
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
