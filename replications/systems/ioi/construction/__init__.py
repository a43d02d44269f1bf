"""A GPT-2 of twelve layers of twelve heads whose weights carry out the published circuit.

They are written by hand: every head that the document names does at its published index what the
document says of it, and every other head writes nothing. The model shows that the claims can hold
together, what each part is for, and that measurements and the search for roles find what is known
to be there. It is no evidence about any trained model.

`files` gives it as GPT-2 small is published: `config.json`, `model.safetensors` with the published
names and layout, and `tokenizer.json`. It is opened by the same code as GPT-2 small.
"""

from replications.systems.ioi.construction.checkpoint import files
from replications.systems.ioi.construction.edges import live_edges, planted_edges
from replications.systems.ioi.construction.heads import ROLES
from replications.systems.ioi.construction.parts import PARTS, without

__all__ = ["PARTS", "ROLES", "files", "live_edges", "planted_edges", "without"]
