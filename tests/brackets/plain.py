"""The bracket classifier written out by hand: float64, from the state dict alone, no library.

What `replications.brackets` measures is compared with this.  It shares no code with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from replications.brackets.model import untrained_state_dict

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
    """Weights by their published names, and a forward pass that keeps everything."""

    def __init__(self, state_dict: Mapping[str, Tensor]) -> None:
        self.w = {name: value.double() for name, value in state_dict.items()}

    def norm(self, x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scale = ((centred**2).mean(-1, keepdim=True) + 1e-5).sqrt()
        return centred / scale * self.w[f"{name}.w"] + self.w[f"{name}.b"]

    def of_head(self, head: str, name: str) -> Tensor:
        """One head's part of W_Q, W_K, W_V, W_O or of their biases."""
        layer, index = head.split(".")
        return self.w[f"blocks.{layer}.attn.{name}"][int(index)]

    def OV(self, head: str) -> Tensor:
        return torch.einsum("dk,ke->de", self.of_head(head, "W_V"), self.of_head(head, "W_O"))

    def unbalanced(self) -> Tensor:
        """Direction after the final LayerNorm that raises logit 0 over logit 1."""
        return self.w["unembed.W_U"][:, 0] - self.w["unembed.W_U"][:, 1]

    def run(self, tokens: Tensor) -> dict[str, Tensor]:
        """Everything by name, each [batch pos …]; "pattern h" and "scores h" are [batch query key]."""
        kept = {"emb": self.w["embed.W_E"][tokens] + self.w["pos_embed.W_pos"][: tokens.shape[1]]}
        x = kept["emb"]
        for layer in range(3):
            p = f"blocks.{layer}"
            kept[f"resid_pre{layer}"] = x
            normed = kept[f"ln1_{layer}"] = self.norm(x, f"{p}.ln1")
            for head in HEADS[2 * layer : 2 * layer + 2]:
                kept |= self._attend(head, normed, tokens != PAD)
                x = x + kept[head]
            x = x + self.w[f"{p}.attn.b_O"]
            hidden = self.norm(x, f"{p}.ln2") @ self.w[f"{p}.mlp.W_in"] + self.w[f"{p}.mlp.b_in"]
            kept[f"post{layer}"] = hidden.clamp_min(0)
            out = kept[f"post{layer}"] @ self.w[f"{p}.mlp.W_out"]
            kept[f"mlp{layer}"] = out + self.w[f"{p}.mlp.b_out"]
            x = x + kept[f"mlp{layer}"]
        kept |= {"resid_final": x, "ln_final": self.norm(x, "ln_final")}
        kept["logits"] = kept["ln_final"] @ self.w["unembed.W_U"] + self.w["unembed.b_U"]
        return kept

    def _attend(self, head: str, normed: Tensor, visible: Tensor) -> dict[str, Tensor]:
        q, k, v = (
            normed @ self.of_head(head, f"W_{n}") + self.of_head(head, f"b_{n}") for n in "QKV"
        )
        scores = torch.einsum("nqd,nkd->nqk", q, k) / 28**0.5
        exp = (scores - scores.amax(-1, keepdim=True)).exp() * visible[:, None, :]
        pattern = exp / exp.sum(-1, keepdim=True)
        z = pattern @ v
        parts = {"q": q, "k": k, "v": v, "z": z, "scores": scores, "pattern": pattern}
        return {f"{name} {head}": part for name, part in parts.items()} | {
            head: z @ self.of_head(head, "W_O")
        }


def least_squares(inputs: Tensor, outputs: Tensor) -> tuple[Tensor, float]:
    """Shortest least-squares map with an intercept, [out in], and the mean R² over the outputs."""
    x, y = inputs.double(), outputs.double()
    x, y = x - x.mean(0), y - y.mean(0)
    coef = torch.linalg.pinv(x, rtol=1e-5) @ y
    left = ((y - x @ coef) ** 2).sum(0) / (y**2).sum(0)
    return coef.T, (1 - left).mean().item()


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
