"""What one public notebook printed of GPT-2 small on a shorter prompt, measured again.

`short_prompt.json` has its three maps and what the model says next, numbers only, read from its
stored outputs. `Published` computes them on a model and says how far each is from what was printed;
`count` says how many numbers that are.
"""

from replications.systems.name_recall.published.measured import Published, count, figures

__all__ = ["Published", "count", "figures"]
