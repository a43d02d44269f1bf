"""A name-recall model with its prompts: one subject, and the parts that claims measure.

Positions are those of the document's prompt: 4 first name, 5 last name, and 11 first name again,
after which the last name is predicted.  Originals are measured on the document's own prompt, as in
the document.  Toys are measured on the same sentence with fifty pairs of names, as no prompt is
special for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens
from replications.models.prompting import Words
from replications.models.tokenizers import Tokenizer
from replications.systems.name_recall.data import Names
from replications.systems.name_recall.measurements.attention import Attention
from replications.systems.name_recall.measurements.conclusion import Conclusion
from replications.systems.name_recall.measurements.edges import Edges
from replications.systems.name_recall.measurements.first_steps import FirstSteps
from replications.systems.name_recall.measurements.footnotes import Footnotes
from replications.systems.name_recall.measurements.heads import Heads
from replications.systems.name_recall.measurements.residual import Residual
from replications.systems.name_recall.measurements.scrubbing import Scrubbing
from replications.systems.name_recall.measurements.two_layers import TwoLayers
from replications.systems.name_recall.published import Published
from replications.systems.name_recall.roles import Roles, find_roles
from replications.systems.name_recall.task import Task


class NameRecallSubject:
    """One model with its tokenizer and prompts.  Everything is computed once, when asked for.

    `names` are the people of the prompts; left out, fifty random pairs.  `roles` says which head
    plays which part; left out, the heads are found by what they do.  `stored_after` is the block
    after which position 5 is patched; left out, the one before the last.  `one_layer` opens the
    one-layer models to compare with, `sample` gives a text of the model's language, long [n].
    """

    def __init__(
        self,
        name: str,
        lens: Lens,
        tokenizer: Tokenizer,
        *,
        names: Sequence[Names] | None = None,
        roles: Roles | None = None,
        stored_after: int | None = None,
        one_layer: Callable[[], Sequence[NameRecallSubject]] | None = None,
        sample: Callable[[], Tensor] | None = None,
    ) -> None:
        self.name = name
        self.lens = lens
        self.task = Task(lens, tokenizer, names, stored_after=stored_after)
        self._roles = roles
        self._one_layer = one_layer
        self._sample = sample

    def __repr__(self) -> str:
        return f"<name-recall model {self.name!r}, {self.task.layers} layers>"

    @property
    def prompting(self) -> Words:
        """How the model is given a prompt in words."""
        vocabulary = "replications/systems/name_recall/_texts.py"
        return Words(self.task.tokenizer, bos=True, vocabulary=vocabulary)

    @property
    def tokens(self) -> Tensor:
        """The clean prompts: long [prompt pos]."""
        return self.task.prompts.clean

    @cached_property
    def roles(self) -> Roles:
        """Which head plays which part."""
        return self._roles or find_roles(self.task)

    # ---------------------------------------------------------------- other models
    @cached_property
    def one_layer_models(self) -> Sequence[NameRecallSubject]:
        """The one-layer models to compare with.  BadInput for a subject that came without them."""
        if self._one_layer is None:
            raise BadInput(f"{self!r} came without one-layer models to compare with")
        return self._one_layer()

    def variant(self, name: str, lens: Lens) -> NameRecallSubject:
        """Another model on the same prompts, with the same heads in the same parts."""
        return NameRecallSubject(
            f"{self.name}~{name}",
            lens,
            self.task.tokenizer,
            names=self.task.names,
            roles=self.roles,
            stored_after=self.task.stored_after,
            one_layer=self._one_layer,
            sample=self._sample,
        )

    # ---------------------------------------------------------------- sections of the document
    @cached_property
    def first_steps(self) -> FirstSteps:
        """Steps 1 and 2."""
        return FirstSteps(self.task, self._sample)

    @cached_property
    def residual(self) -> Residual:
        """Method 1: residual-stream patching."""
        return Residual(self.task)

    @cached_property
    def two_layers(self) -> TwoLayers:
        """Method 1 on two layers, and why one layer is not enough."""
        return TwoLayers(self.task, lambda: [model.task for model in self.one_layer_models])

    @cached_property
    def heads(self) -> Heads:
        """Method 2: attention-head patching."""
        return Heads(self.task, self.roles)

    @cached_property
    def attention(self) -> Attention:
        """Method 3: attention patterns."""
        return Attention(self.task)

    @cached_property
    def conclusion(self) -> Conclusion:
        """The induction circuit."""
        return Conclusion(self.task, self.roles)

    @cached_property
    def edges(self) -> Edges:
        """The edges of the hand-written model: of this subject only if it is that."""
        return Edges(self.task)

    @cached_property
    def scrubbing(self) -> Scrubbing:
        """Causal scrubbing of the induction circuit."""
        return Scrubbing(self.task, self.roles)

    @cached_property
    def footnotes(self) -> Footnotes:
        """Footnotes 7 and 10."""
        return Footnotes(self.task)

    @cached_property
    def published(self) -> Published:
        """What a public notebook printed of GPT-2 small on a shorter prompt."""
        return Published(self.lens, self.task.tokenizer)
