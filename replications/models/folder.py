"""The user's own model: a folder as `save_pretrained` of Hugging Face's transformers writes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from replications.errors import BadInput
from replications.models import checkpoint, huggingface
from replications.models.huggingface import Folder
from replications.models.network import Network
from replications.models.prompting import Words
from replications.models.tokenizer_files import Opening, read_tokenizer
from replications.models.tokenizers import Tokenizer

ALLOW = "--allow-unused"


@dataclass(frozen=True, eq=False)
class OwnModel:
    """A model of a folder, with what its prompts are made by."""

    path: Path
    folder: Folder
    tokenizer: Tokenizer
    opening: Opening

    @property
    def network(self) -> Network:
        """The weights, in float32 and unprocessed."""
        return self.folder.network

    def unused(self) -> Iterator[str]:
        """What the folder has and nothing here uses: tensors, and adapters."""
        if self.folder.unused:
            yield checkpoint.refusal(self.folder.unused)
        adapters = [name for name in checkpoint.ADAPTER if (self.path / name).exists()]
        if adapters:
            yield f"nothing here uses the adapter {', '.join(adapters)}: {checkpoint.MERGE}"

    def notes(self) -> Iterator[str]:
        """What a user should know of the tokenizer, though it changes nothing here."""
        for setting in self.tokenizer.saved:
            yield f"{checkpoint.TOKENIZER} was saved with {setting}, which is off here"
        size, rows = len(self.tokenizer), self.network.shape.d_vocab
        if size > rows:
            yield f"the tokenizer has {size} tokens, the model {rows}"

    def prompting(self, bos: bool | None = None) -> Words:
        """How it is asked. `bos`: whether a prompt begins with the token that opens a text.

        None leaves that to the folder. Raises BadInput if there is no such token.
        """
        wanted = self.opening.by_default if bos is None else bos
        if wanted and self.opening.token is None:
            raise BadInput(f"{self.path} names no token that opens a text; leave out --bos")
        return Words(self.tokenizer, bos=wanted)


def open_model(path: Path, *, allow_unused: bool = False) -> OwnModel:
    """The model of a folder, in float32 and unprocessed (nothing folded or centred).

    Raises BadInput if a file is missing or is not what its name says, if the weights contradict
    the configuration or are not finite, and for tensors or adapters that nothing uses, unless
    `allow_unused`. Raises Unsupported for a kind of model, or an option, that is not known here.
    """
    checkpoint.check_files(path)
    folder = huggingface.open_folder(path)
    model = OwnModel(path, folder, *read_tokenizer(path, folder.config))
    if not allow_unused:
        for problem in model.unused():
            raise BadInput(f"{path}: {problem} ({ALLOW} ignores that)")
    return model


def open_folder(path: Path) -> tuple[Network, Tokenizer]:
    """The network and the tokenizer of `open_model`."""
    model = open_model(path)
    return model.network, model.tokenizer
