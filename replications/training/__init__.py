"""Training small transformers: the model, the loop, the checks of a recipe, and a run's files.

`forward` is a GPT-2-style transformer with gradients, `learn` the recipe that the toys share, and
`descend` the loop under every recipe. `Run` and `start` are the training command of a system.
"""

from replications.training.loop import descend, learn
from replications.training.runs import Run, start
from replications.training.transformer import forward, head_dropout, untrained_state_dict

__all__ = ["Run", "descend", "forward", "head_dropout", "learn", "start", "untrained_state_dict"]
