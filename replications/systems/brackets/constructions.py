"""Arguments of the document that need no published weights: small models made on the spot."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replications.analysis import linear_fits as linear
from replications.systems.brackets.data import CONTEXT, MAX_LENGTH, tokenize
from replications.systems.brackets.model import SHAPE, sinusoid


class Constructions:
    """Small models, each made from scratch with a fixed seed."""

    # ---------------------------------------------------------------- parity by hand
    def parity_head_accuracy(self, *, parity: bool = True) -> float:
        """Accuracy, on all lengths from 1 to 40, of one hand-made head that tells even from odd.

        Its attention grows steeply with the position, so position 0 reads the last token; its
        value is the parity component of a positional embedding. Without `parity`, that component
        is zero. Section 1.
        """
        position = torch.arange(CONTEXT, dtype=torch.float64)
        signs = 1 - 2 * (position % 2) if parity else torch.zeros(CONTEXT, dtype=torch.float64)
        embedding = torch.stack([position, signs], dim=1)  # [pos 2]: rank, and parity
        W_QK = torch.tensor([[50.0, 0.0], [0.0, 0.0]]).double()
        query = torch.tensor([1.0, 0.0]).double()  # what [start] asks for: the highest rank
        lengths = torch.arange(1, MAX_LENGTH + 1)
        scores = (query @ W_QK @ embedding.T).expand(len(lengths), -1)
        scores = scores.masked_fill(position > lengths[:, None] + 1, float("-inf"))
        value = (scores.softmax(-1) @ embedding)[:, 1]
        says_odd = value > 0  # [end] sits at length + 1
        return (says_odd == (lengths % 2 == 1)).double().mean().item()

    # ---------------------------------------------------------------- one layer is not enough
    def one_layer_right(self, *, with_mlp: bool = False) -> int:
        """How many of "()", "((" and "))" one trained attention layer gets right. Section 3.

        With `with_mlp`, an MLP follows the attention.
        """
        return _train_tiny(with_mlp=with_mlp)

    # ---------------------------------------------------------------- limits of a linear LayerNorm
    def layernorm_fit(self, *, huge_feature: bool) -> float:
        """R² of a linear fit of a LayerNorm on Gaussian vectors. Section 2.

        With `huge_feature`, one feature is either 0 or 100 standard deviations of the others.
        """
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(5000, SHAPE.d_model, generator=generator).double()
        if huge_feature:
            switched_on = torch.rand(len(x), generator=generator) < 0.5
            x[:, 0] = 100.0 * switched_on
        return linear.fit(x, F.layer_norm(x, [SHAPE.d_model])).r_squared

    # ---------------------------------------------------------------- chance level
    def random_squared_cosine(self, width: int = SHAPE.d_model) -> float:
        """Mean squared cosine of a fixed vector with 1,000 Gaussian vectors. Section 3."""
        generator = torch.Generator().manual_seed(0)
        vectors = torch.randn(1000, width, generator=generator).double()
        fixed = torch.randn(width, generator=generator).double()
        cosines: Tensor = vectors @ fixed / (vectors.norm(dim=1) * fixed.norm())
        return cosines.square().mean().item()


class _OneLayer(nn.Module):
    """One head, uniform attention over the tokens, no LayerNorm; optionally an MLP."""

    def __init__(self, with_mlp: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(SHAPE.d_vocab, 16)
        self.value = nn.Linear(16, 16)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16))
        self.read = nn.Linear(16, 2)
        self.with_mlp = with_mlp
        self.register_buffer("positions", sinusoid(4, 16))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) + self.positions
        start = x[:, 0] + self.value(x).mean(1)
        if self.with_mlp:
            start = start + self.mlp(start)
        logits: Tensor = self.read(start)
        return logits


def _train_tiny(*, with_mlp: bool) -> int:
    """Train on the three strings alone, and count the right verdicts."""
    tokens = tokenize(["()", "((", "))"])
    labels = torch.tensor([1, 0, 0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = _OneLayer(with_mlp)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        # Loss on the hardest string, so that two easy ones cannot outvote the third.
        for _ in range(500):
            optimizer.zero_grad()
            F.cross_entropy(model(tokens), labels, reduction="none").max().backward()
            optimizer.step()
    return int((model(tokens).argmax(-1) == labels).sum())
