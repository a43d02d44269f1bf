"""The strings on which the bracket classifier was scrubbed: a data frame, read without unpickling.

The file is a zip of one pickle. Unpickling runs whatever a pickle says, so only its opcodes are
read: the strings made of brackets, in order, and the one array of as many bytes, their labels.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator

import torch

from replications.errors import BadInput
from replications.systems.brackets.data import CONTEXT, BracketData, is_balanced, tokenize

LARGEST = 64 * 2**20
"""No such pickle is larger when unpacked; more would be an attack, or another file."""
_WHAT = "the published strings (parens.zip)"


def read_strings(content: bytes) -> BracketData:
    """The strings and labels of a zip with one pickled data frame, in their order.

    Raises BadInput if it is not such a file, if there is not one label for each string, or if a
    label is not what the rule says.
    """
    strings, arrays = [], []
    for value in _values(_unzip(content)):
        if isinstance(value, str) and value and not value.strip("()"):
            strings.append(value)
        elif isinstance(value, (bytes, bytearray)):
            arrays.append(bytes(value))
    if not strings:
        raise BadInput(f"{_WHAT}: the pickle holds no strings of brackets")
    labels = [array for array in arrays if len(array) == len(strings)]
    if len(labels) != 1 or set(labels[0]) - {0, 1}:
        raise BadInput(
            f"{_WHAT}: {len(strings)} strings, but {len(labels)} arrays of as many labels, 0 or 1"
        )
    tokens = tokenize(strings, length=CONTEXT)
    given = torch.tensor(list(labels[0]), dtype=torch.bool)
    wrong = (given != is_balanced(tokens)).nonzero()
    if len(wrong):
        raise BadInput(f"{_WHAT}: the label of string {int(wrong[0])} contradicts the rule")
    return BracketData(tuple(strings), given, tokens)


def _unzip(content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = archive.infolist()
            if len(files) != 1 or files[0].file_size > LARGEST:
                raise BadInput(f"{_WHAT}: expected a zip of one file of at most {LARGEST} bytes")
            return archive.read(files[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as exc:
        raise BadInput(f"{_WHAT} is not a zip that can be read ({exc}); fetch it again") from exc


def _values(pickled: bytes) -> Iterator[object]:
    """The arguments of all opcodes, in order. Nothing is executed."""
    try:
        for _, argument, _ in pickletools.genops(pickled):
            yield argument
    except Exception as exc:  # genops raises whatever the damage leads to
        raise BadInput(f"{_WHAT}: the file inside is not a pickle ({exc})") from exc
