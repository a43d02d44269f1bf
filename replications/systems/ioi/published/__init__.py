"""What public notebooks printed of GPT-2 small on indirect objects, measured again.

Each .json file here holds the figures of one notebook, numbers only, read from its stored outputs.
`Published` computes every one of them on a model, through the patching engine and the lens of this
repository, and says how far it is from what was printed. `figures` has them all; `count` says how
many numbers that are.

Prompts are those of `prompts`; patching of both kinds is in `patching`, direct logit attribution
and the ablation of head 9.9 in `direct`, logits in `behaviour`, scores of heads in `scores`, and
scores that need the weights alone in `copying`.
"""

from replications.systems.ioi.published.arrays import count, figure, figures
from replications.systems.ioi.published.measured import Published

__all__ = ["Published", "count", "figure", "figures"]
