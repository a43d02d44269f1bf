"""The construction in GPT-2's files: published names of weights, configuration, tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import sqrt

import safetensors.torch
import torch
from torch import Tensor

from replications.models import Head
from replications.systems.ioi.construction import code
from replications.systems.ioi.construction.heads import Wiring, wiring
from replications.systems.ioi.construction.stream import (
    CONSTANT,
    CONTEXT,
    D_HEAD,
    D_MODEL,
    HEADS,
    LAYERS,
    read,
    write,
)
from replications.systems.ioi.data import name_tokens, toy_tokenizer

ANSWER = 0.63
"""Logit of a name for each unit of it in the block of names that were written."""
FAINT = 0.02
"""A name in the embedding, which is also the unembedding, compared with one that is written."""
D_MLP = 4
"""The MLPs are there and write nothing; wider ones would only take longer."""


def files(heads: Mapping[Head, Wiring] | None = None) -> dict[str, bytes]:
    """The content of `config.json`, `model.safetensors` and `tokenizer.json`.

    Other `heads` than those of `wiring` make another model, such as one without a part.
    """
    config = {
        "bos_token_id": toy_tokenizer().bos,
        "eos_token_id": toy_tokenizer().bos,
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_embd": D_MODEL,
        "n_head": HEADS,
        "n_inner": D_MLP,
        "n_layer": LAYERS,
        "n_positions": CONTEXT,
        "vocab_size": len(toy_tokenizer()),
    }
    return {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": safetensors.torch.save(weights(wiring() if heads is None else heads)),
        "tokenizer.json": toy_tokenizer().to_json(),
    }


def weights(heads: Mapping[Head, Wiring]) -> dict[str, Tensor]:
    """The weights under their published names, matrices as [in out]."""
    identity = torch.full((D_MODEL,), CONSTANT * sqrt(2 / D_MODEL))
    names = ANSWER / FAINT * identity * read("name").sum(0)
    found = {
        "wte.weight": _tokens(),
        "wpe.weight": _positions(),
        "ln_f.weight": names,
        "ln_f.bias": torch.zeros(D_MODEL),
    }
    for layer in range(LAYERS):
        block = {
            "ln_1.weight": identity.clone(),
            "ln_2.weight": identity.clone(),
            "mlp.c_fc.weight": torch.zeros(D_MODEL, D_MLP),
            "mlp.c_proj.weight": torch.zeros(D_MLP, D_MODEL),
            **_attention({n: head for (at, n), head in heads.items() if at == layer}),
        }
        for name, weight in block.items():
            found[f"h.{layer}.{name}"] = weight
            bias = torch.zeros(weight.shape[-1])
            found[f"h.{layer}.{name.replace('weight', 'bias')}"] = bias
    return found


def _tokens() -> Tensor:
    """Embeddings: the token, and of a name that it is one, which, and faintly the answer.

    The opening token has no word: else heads that look for another token could take it for that.
    """
    tokenizer = toy_tokenizer()
    names = name_tokens(tokenizer)
    unnamed = {*range(len(tokenizer))} - {tokenizer.bos, *names.tolist()}
    order = torch.cat([names, torch.tensor(sorted(unnamed))])
    found = torch.zeros(len(tokenizer), D_MODEL)
    found[order] = code.words()[: len(order)] @ write("token")
    found[names] += write("is a name") + write("own name") + FAINT * write("name")
    return found


def _positions() -> Tensor:
    """The constant, the position and the one before it, and the start's flag: [pos d_model]."""
    place = code.words()[:CONTEXT]
    found = CONSTANT * write("constant") + place @ write("position")
    found[1:] += place[:-1] @ write("position before")
    found[:1] += write("start")
    return found


def _attention(heads: Mapping[int, Wiring]) -> dict[str, Tensor]:
    """The two attention matrices of a layer."""
    W_Q, W_K, W_V = (torch.zeros(D_MODEL, HEADS, D_HEAD) for _ in range(3))
    W_O = torch.zeros(HEADS, D_HEAD, D_MODEL)
    for head, (matches, moves) in heads.items():
        _put(W_Q[:, head].T, [sqrt(D_HEAD) * match.query for match in matches])
        _put(W_K[:, head].T, [match.key for match in matches])
        _put(W_V[:, head].T, [move.read for move in moves])
        _put(W_O[head], [move.write for move in moves])
    c_attn = torch.cat([w.flatten(1) for w in (W_Q, W_K, W_V)], 1)
    return {"attn.c_attn.weight": c_attn, "attn.c_proj.weight": W_O.flatten(0, 1)}


def _put(matrix: Tensor, rows: Sequence[Tensor]) -> None:
    """Put rows [m d_model] one under another into a matrix [d_head d_model], zero below."""
    for start, block in zip(accumulate((0, *map(len, rows))), rows, strict=False):
        matrix[start : start + len(block)] = block
