"""Is a model folder what it says, and is what we compute from it what transformers computes?

`check` answers in `Finding`s, one for each question. The comparison is in float64, on a short text,
with the eager attention of transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from replications.errors import BadInput, ReplicationError
from replications.models import checkpoint, sites
from replications.models.edits import apply
from replications.models.folder import OwnModel, open_model
from replications.models.network import Network
from replications.models.sites import Place

State = Literal["ok", "note", "wrong"]
"""A note is something to know that changes nothing here."""

TEXT = "The cat sat on the mat, and then 3 dogs came in."
LONGEST, DISTINCT = 12, 4
"""How many tokens are run at most, and how many different ones at least."""
TOLERANCE, NARROW = 1e-8, 1e-5
"""The largest difference to transformers that is rounding, as a part of the largest value. Float64
gives 1e-13, and an epsilon or activation that is not the model's 1e-6 and more. RMS norms and
rotations are in float32 in transformers whatever the model is in, which gives up to 1e-6."""


@dataclass(frozen=True)
class Finding:
    """The answer to one question about a folder."""

    question: str
    state: State
    says: str


def check(
    path: Path, *, allow_unused: bool = False, progress: Callable[[int, int], None] | None = None
) -> Iterator[Finding]:
    """Answer every question about a folder, the cheap ones first.

    The rest is not asked of a folder that cannot be opened. `progress` is called with the number of
    edits tried, and of all edits.
    """
    try:
        checkpoint.check_files(path)
        yield _finite(path)
        model = open_model(path, allow_unused=True)
    except ReplicationError as exc:
        yield Finding("model", "wrong", str(exc))
        return
    yield _described(model)
    yield _unused(model, allow_unused)
    yield _tokenizer(model)
    yield _bos(model)
    yield from _compared(model)
    yield _edits(model, progress)


# ---- the folder alone ---------------------------------------------------------------------------


def _finite(path: Path) -> Finding:
    weights = checkpoint.read_weights(path)
    wrong = [
        name for name, t in weights.items() if t.is_floating_point() and not t.isfinite().all()
    ]
    if wrong:
        return Finding("finite", "wrong", f"NaN or infinity in {', '.join(wrong)}")
    return Finding("finite", "ok", f"all values of the {len(weights)} tensors")


def _described(model: OwnModel) -> Finding:
    shape = model.network.shape
    says = (
        f"{model.folder.family}, {shape.n_layers} layers of {shape.n_heads} heads, d_model "
        f"{shape.d_model}; every parameter is there"
    )
    return Finding("model", "ok", says)


def _unused(model: OwnModel, allowed: bool) -> Finding:
    problems = list(model.unused())
    if problems:
        return Finding("tensors", "note" if allowed else "wrong", "; ".join(problems))
    return Finding("tensors", "ok", "every tensor of the file is used")


def _tokenizer(model: OwnModel) -> Finding:
    size, rows = len(model.tokenizer), model.network.shape.d_vocab
    notes = list(model.notes())
    _, after = model.tokenizer.added
    if after:
        words = ", ".join(model.tokenizer.labels(after))
        notes.append(f"its post-processor puts {words} after a text; nothing does so here")
    if notes:
        return Finding("tokenizer", "note", "; ".join(notes))
    return Finding("tokenizer", "ok", f"{size} tokens for {rows} rows; no truncation, no padding")


def _bos(model: OwnModel) -> Finding:
    opening = model.opening
    if opening.token is None:
        return Finding("BOS", "ok", "no token opens a text")
    text = model.tokenizer.labels([opening.token])[0]
    does = "opens prompts" if opening.by_default else "does not open prompts unless --bos is given"
    return Finding("BOS", "ok", f"{text} {does}: {opening.because}")


# ---- beside transformers ------------------------------------------------------------------------


def _compared(model: OwnModel) -> Iterator[Finding]:
    """Tokens, head, residual stream and logits, compared with transformers."""
    with _quiet_transformers():
        try:
            theirs = _their_model(model.path)
        except Exception as exc:  # whatever transformers raises about a folder
            yield Finding("transformers", "wrong", f"cannot open the folder: {_first_line(exc)}")
            return
        # Outside the `try`: an error of ours must not be taken for one of the folder.
        yield _tokens(model)
        yield _head(model, theirs)
        yield from _activations(model, theirs)


def _first_line(exc: Exception) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0]


def _their_model(path: Path) -> Any:
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(
        path, attn_implementation="eager", torch_dtype=torch.float32, local_files_only=True
    )
    return loaded.eval().double()


def _tokens(model: OwnModel) -> Finding:
    from transformers import AutoTokenizer

    try:
        ours = model.tokenizer.encode(TEXT), model.prompting().tokens(TEXT)[0].tolist()
    except BadInput as exc:
        return Finding("tokens", "note", f"not compared, because of {TEXT!r} {exc}")
    try:
        read = AutoTokenizer.from_pretrained(model.path, local_files_only=True)
        bare, whole = (
            list(read(TEXT, add_special_tokens=special, truncation=False, padding=False).input_ids)
            for special in (False, True)
        )
    except Exception as exc:  # whatever transformers raises about a tokenizer
        says = (
            f"transformers cannot read the tokenizer: {_first_line(exc)}; if another class wrote "
            "it, tokenizer_config.json must name it as tokenizer_class"
        )
        return Finding("tokens", "wrong", says)
    if bare != ours[0]:
        says = f"transformers cuts {TEXT!r} into other tokens than {checkpoint.TOKENIZER} says"
        return Finding("tokens", "note", says)
    if whole != ours[1]:
        says = "transformers opens or ends a text with other tokens; --bos or --no-bos chooses"
        return Finding("tokens", "note", says)
    return Finding("tokens", "ok", "those of transformers")


def _head(model: OwnModel, theirs: Any) -> Finding:
    inside, outside = theirs.get_input_embeddings(), theirs.get_output_embeddings()
    tied = outside.weight.data_ptr() == inside.weight.data_ptr()
    wanted = bool(theirs.config.get_text_config().tie_word_embeddings)
    if tied != wanted:
        says = f"the config says tied={wanted}, and transformers has it tied={tied}"
        return Finding("head", "wrong", says)
    return Finding("head", "ok", "tied to the embedding" if tied else "a matrix of its own")


def _activations(model: OwnModel, theirs: Any) -> Iterator[Finding]:
    tokens = _prompt(model)
    network = model.network.to(dtype=torch.float64)
    with torch.no_grad():
        run = theirs(tokens, output_hidden_states=True, use_cache=False)
        cache, logits = network.cache(tokens), network.forward(tokens)
    streams = [sites.RESID_PRE(layer) for layer in range(network.shape.n_layers)]
    ours = [cache[place] for place in streams]
    names = [repr(place) for place in streams]
    if sites.LN_FINAL() in cache:  # the last of their hidden states is behind the final norm
        ours, names = [*ours, cache[sites.LN_FINAL()]], [*names, "ln_final"]
    errors = [_error(a, b) for a, b in zip(ours, run.hidden_states, strict=False)]
    limit = _tolerance(network)
    wrong = [f"{n} ({e:.1e})" for n, e in zip(names, errors, strict=True) if not e <= limit]
    if wrong:
        yield Finding("residual stream", "wrong", f"not that of transformers at {wrong[0]}")
    else:
        says = f"that of transformers at {len(names)} places, to {max(errors):.1e}"
        yield Finding("residual stream", "ok", says)
    error = _error(logits, run.logits)
    state: State = "ok" if error <= limit else "wrong"
    said = "those" if state == "ok" else "not those"
    says = f"{said} of transformers on {tokens.shape[1]} tokens, to {error:.1e}"
    yield Finding("logits", state, says)


def _tolerance(network: Network) -> float:
    narrow = network.shape.normalization == "RMS" or network.shape.positions == "rotary"
    return NARROW if narrow else TOLERANCE


def _prompt(model: OwnModel) -> Tensor:
    """A short prompt, long [1 pos]: `TEXT`, or the first tokens if the vocabulary lacks its words.

    In a prompt of one token over and over, no attention would make a difference.
    """
    shape = model.network.shape
    length = min(LONGEST, shape.n_ctx)
    try:
        found = [t for t in model.prompting().tokens(TEXT)[0].tolist() if t < shape.d_vocab]
    except BadInput:
        found = []
    if len(set(found[:length])) < min(DISTINCT, length):
        found = list(range(min(length, shape.d_vocab)))
    return torch.tensor([found[:length]])


def _error(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, as a part of the largest value of transformers."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours - theirs).abs().max() / theirs.abs().max())


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No warnings and progress bars of transformers: what they say is said by a finding."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


# ---- edits --------------------------------------------------------------------------------------


@torch.no_grad()
def _edits(model: OwnModel, progress: Callable[[int, int], None] | None) -> Finding:
    """Whether an edit at every place of the model changes its logits."""
    network, tokens = model.network, _prompt(model)
    plain, places = network.forward(tokens), list(network.cache(tokens))
    dead: list[Place] = []
    for done, place in enumerate(places, start=1):
        if not _changes(network, tokens, place, plain):
            dead.append(place)
        if progress:
            progress(done, len(places))
    if dead:
        shown = ", ".join(map(repr, dead[:3])) + (" …" if len(dead) > 3 else "")
        return Finding("edits", "wrong", f"{len(dead)} of {len(places)} change nothing: {shown}")
    return Finding("edits", "ok", f"one at each of {len(places)} places changes the logits")


def _changes(network: Network, tokens: Tensor, place: Place, plain: Tensor) -> bool:
    edited = network.forward(tokens, [apply(place, lambda value: value / -2)])
    return not edited.equal(plain)
