"""The name-recall models under the microscope: one subject, its prompts and its parts.

Positions are those of the document's prompt: 4 first name, 5 last name, 11 first name again, where
the last name is predicted.  Originals are patched on the document's own prompt, as in the document;
toys, for which no prompt is special, on the same sentence with fifty pairs of names.  Heads are
labelled by their roles, or by the published indices where there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens
from replications.models.prompting import Words
from replications.models.tokenizers import Tokenizer
from replications.systems.name_recall import data
from replications.systems.name_recall.attention import Attention
from replications.systems.name_recall.behaviour import Behaviour
from replications.systems.name_recall.circuit import Circuit
from replications.systems.name_recall.data import DOCUMENT, Names, Prompts
from replications.systems.name_recall.head_patches import HeadPatches
from replications.systems.name_recall.language import Language
from replications.systems.name_recall.metrics import Metrics
from replications.systems.name_recall.patches import Patches
from replications.systems.name_recall.residual import Residual
from replications.systems.name_recall.roles import Head, Roles, find_roles


class NameRecallSubject:
    """One model with its tokenizer and prompts.  Everything is computed once, when asked for.

    `published` are the heads that the document names; without them heads are found by role.
    `stored_after` is the block after which the document patches position 5, the one before the
    last if left out.  `one_layer` gives the models that it is compared with, `sample` a text of
    its language as tokens [n].
    """

    def __init__(
        self,
        name: str,
        lens: Lens,
        tokenizer: Tokenizer,
        *,
        original: bool = False,
        published: Roles | None = None,
        stored_after: int | None = None,
        one_layer: Callable[[], Sequence[NameRecallSubject]] | None = None,
        sample: Callable[[], Tensor] | None = None,
    ) -> None:
        self.name = name
        self.lens = lens
        self.tokenizer = tokenizer
        self.original = original
        self.published = published
        self.stored_after = max(self.layers - 2, 0) if stored_after is None else stored_after
        self._one_layer = one_layer
        self._sample = sample

    def __repr__(self) -> str:
        return f"<name-recall model {self.name!r}, {self.layers} layers>"

    @property
    def layers(self) -> int:
        return self.lens.shape.n_layers

    @property
    def prompting(self) -> Words:
        """How it is asked in words."""
        return Words(self.tokenizer, bos=True, vocabulary="replications/name_recall/texts.py")

    # ---------------------------------------------------------------- other models and texts
    @cached_property
    def one_layer_models(self) -> Sequence[NameRecallSubject]:
        """The models of one layer.  BadInput for a subject that came without them."""
        if self._one_layer is None:
            raise BadInput(f"{self!r} came without models of one layer to compare it with")
        return self._one_layer()

    @cached_property
    def sample(self) -> Tensor:
        """A text of the model's language, long [n].  BadInput for a subject without one."""
        if self._sample is None:
            raise BadInput(f"{self!r} came without a sample of its language")
        return self._sample()

    # ---------------------------------------------------------------- prompts
    @cached_property
    def names(self) -> tuple[Names, ...]:
        """Fifty pairs of people."""
        return data.name_pairs(self.tokenizer)

    @property
    def prompt_names(self) -> Sequence[Names]:
        """The people of the prompts that are patched."""
        return [DOCUMENT] if self.original else self.names

    @cached_property
    def pair_prompts(self) -> Prompts:
        """The sentence with fifty pairs of names."""
        return data.prompts(self.tokenizer, self.names)

    @cached_property
    def prompts(self) -> Prompts:
        """The prompts that are patched."""
        return data.document_prompts(self.tokenizer) if self.original else self.pair_prompts

    @property
    def tokens(self) -> Tensor:
        """The prompts that are patched, before they are: long [prompt pos]."""
        return self.prompts.clean

    # ---------------------------------------------------------------- heads
    @cached_property
    def roles(self) -> Roles:
        return self.published or find_roles(self)

    def label(self, head: Head) -> str:
        """Its index, as 0.2; or its role, where roles were looked for and the head has one."""
        labels = {} if self.published else self.roles.labels
        return labels.get(head, f"{head[0]}.{head[1]}")

    # ---------------------------------------------------------------- parts
    def patches_on(self, prompts: Prompts) -> Patches:
        """Activation patching on other prompts."""
        return Patches(self.lens, prompts)

    @cached_property
    def patches(self) -> Patches:
        return self.patches_on(self.prompts)

    @cached_property
    def behaviour(self) -> Behaviour:
        return Behaviour(self)

    @cached_property
    def residual(self) -> Residual:
        return Residual(self)

    @cached_property
    def heads(self) -> HeadPatches:
        return HeadPatches(self)

    @cached_property
    def attention(self) -> Attention:
        return Attention(self)

    @cached_property
    def circuit(self) -> Circuit:
        return Circuit(self)

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics(self)

    @cached_property
    def language(self) -> Language:
        return Language(self)
