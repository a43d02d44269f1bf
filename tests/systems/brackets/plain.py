"""The parts of the bracket classifier worked out by hand: float64, from the state dict alone.

What `replications.systems.brackets` measures is compared with this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from replications.systems.brackets.model import untrained_state_dict
from tests.oracle import Change, Key, forward

HEADS = ("0.0", "0.1", "1.0", "1.1", "2.0", "2.1")
COMPONENTS = ("emb", "0.0", "0.1", "mlp0", "1.0", "1.1", "mlp1", "2.0", "2.1", "mlp2")
PAD = 1


def random_weights(seed: int = 0) -> dict[str, Tensor]:
    """Untrained weights whose biases and LayerNorms matter too."""
    generator = torch.Generator().manual_seed(1000 + seed)
    weights = untrained_state_dict(seed)
    for name, value in weights.items():
        if value.ndim == 1 or ".b_" in name:
            value += 0.3 * torch.randn(value.shape, generator=generator)
    return weights


class Plain:
    """The weights in float64 by their published names, and all that a run computes."""

    def __init__(self, state_dict: Mapping[str, Tensor]) -> None:
        self.w = {name: value.double() for name, value in state_dict.items()}

    def of_head(self, head: str, name: str) -> Tensor:
        """One head's part of W_Q, W_K, W_V, W_O or of their biases."""
        layer, index = head.split(".")
        return self.w[f"blocks.{layer}.attn.{name}"][int(index)]

    def OV(self, head: str) -> Tensor:
        return torch.einsum("dk,ke->de", self.of_head(head, "W_V"), self.of_head(head, "W_O"))

    def unbalanced(self) -> Tensor:
        """Direction after the final LayerNorm that raises logit 0 over logit 1."""
        return self.w["unembed.W_U"][:, 0] - self.w["unembed.W_U"][:, 1]

    def run(self, tokens: Tensor, edits: Mapping[Key, Change] | None = None) -> dict[str, Tensor]:
        """Parts by name, each [batch pos …]; "pattern h" and "scores h" are [batch query key]."""
        seen = forward(self.w, tokens, causal=False, pad=PAD, edits=edits)
        kept = {
            "emb": seen["embed", None] + seen["pos_embed", None],
            "resid_final": seen["resid_post", 2],
            "ln_final": seen["ln_final", None],
            "logits": seen["logits", None],
        }
        names = {"resid_pre": "resid_pre", "ln1_": "ln1", "post": "mlp_post", "mlp": "mlp_out"}
        for layer in range(3):
            kept |= {f"{name}{layer}": seen[site, layer] for name, site in names.items()}
        for head in HEADS:
            layer, index = int(head[0]), int(head[2])
            q, k, z = (seen[site, layer][:, :, index] for site in "qkz")
            kept |= {f"q {head}": q, f"k {head}": k, f"z {head}": z}
            kept[f"scores {head}"] = torch.einsum("nqd,nkd->nqk", q, k) / 28**0.5
            kept[f"pattern {head}"] = seen["pattern", layer][:, index]
            kept[head] = z @ self.of_head(head, "W_O")
        return kept


def least_squares(inputs: Tensor, outputs: Tensor) -> tuple[Tensor, float]:
    """Shortest least-squares map with an intercept, [out in], and the mean R² over the outputs."""
    x, y = inputs.double(), outputs.double()
    x, y = x - x.mean(0), y - y.mean(0)
    coef = torch.linalg.pinv(x, rtol=1e-5) @ y
    left = ((y - x @ coef) ** 2).sum(0) / (y**2).sum(0)
    return coef.T, (1 - left).mean().item()


def centred(x: Tensor, balanced: Tensor) -> Tensor:
    """x [n] less its mean over balanced strings."""
    return x - x[balanced].mean()


def close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    """Equal shapes, and no entry further off than the tolerance."""
    same = found.shape == expected.shape
    return same and bool(((found.double() - expected.double()).abs() <= tolerance).all())


def assert_each_is_its_own(
    found: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float
) -> None:
    """`found[i]` is `expected[i]` and no other: a swapped head or layer fails."""
    table = [[close(f, e, tolerance) for e in expected] for f in found]
    assert table == [[i == j for j in range(len(expected))] for i in range(len(found))]
