"""The circuit alone: what is kept, what is replaced, and by which mean."""

from __future__ import annotations

import pytest
import torch

from replications.lens import Lens, open_lens
from replications.models import Tokenizer, put, sites
from replications.models.shape import Shape
from replications.patching import logit_difference
from replications.systems.ioi.data import Document, document
from replications.systems.ioi.measurements.faithfulness import CIRCUIT, Faithfulness
from replications.systems.ioi.roles import PUBLISHED
from replications.training.transformer import untrained_state_dict
from tests.systems.ioi.test_prompts import byte_pairs

SMALL = {"end": ((2, 0),), "S2": ((1, 1),), "S1+1": ((0, 1), (1, 0))}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return byte_pairs()


@pytest.fixture(scope="module")
def lens(tokenizer: Tokenizer) -> Lens:
    words = len(tokenizer)
    shape = Shape(
        n_layers=3, n_heads=2, d_model=16, d_head=8, d_mlp=32, n_ctx=40, d_vocab=words,
        d_vocab_out=words, act_fn="gelu_new",
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: weight + 0.3 * torch.randn(weight.shape, generator=generator)
        for name, weight in untrained_state_dict(shape).items()
    }
    return open_lens(shape, weights, dtype=torch.float64)


def test_the_circuit_has_26_heads() -> None:
    heads = [head for chosen in CIRCUIT.values() for head in chosen]
    assert len(heads) == len(set(heads)) == 26


def test_each_head_acts_where_its_role_says() -> None:
    roles = PUBLISHED
    at_the_end = {*roles.name_movers, *roles.negative, *roles.s_inhibition}
    assert set(CIRCUIT["end"]) == at_the_end
    assert set(CIRCUIT["S2"]) == {*roles.induction, *roles.fuzzy, *roles.duplicate, (0, 10)}
    assert set(CIRCUIT["S1+1"]) == set(roles.previous)


@pytest.mark.slow
@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("pattern", ["ABB", "BAB"])
def test_it_is_head_by_head_what_the_words_say(
    lens: Lens, tokenizer: Tokenizer, pattern: str, bos: bool
) -> None:
    sample = Document(document.of_template(3, pattern, 6))
    names = document.flipped(sample.sentences, seed=0)
    batch = sample.encode(tokenizer, bos=bos)
    abc = torch.tensor([tokenizer.encode(s.prompt, bos=bos) for s in names])
    words = sample.texts()[0].split(" ")
    s1 = words.index(sample.sentences[0].s)
    at = {
        "end": len(batch.tokens[0]) - 1,
        "S2": int(batch.slots[0, 2]),
        "S1+1": len(tokenizer.encode(" ".join(words[: s1 + 1]), bos=bos)),
    }
    edits = []
    for layer in range(3):
        for head in range(2):
            for pos in range(batch.tokens.shape[1]):
                if any((layer, head) in SMALL[name] and at[name] == pos for name in SMALL):
                    continue
                place = sites.Z(layer).pick(head=head, pos=pos)
                mean = lens.run(abc, {"z": place})["z"].mean(0)
                edits.append(put(place, mean))
    answers = sample.io_and_s(tokenizer).unbind(1)
    whole, alone = (
        logit_difference(lens.run(batch.tokens, edits=e).logits, batch.end, *answers).mean()
        for e in ([], edits)
    )
    found = Faithfulness(lens, tokenizer).percent(3, pattern, bos=bos, circuit=SMALL, prompts=6)
    assert found == pytest.approx(100 * float(alone / whole), rel=1e-9)


def test_everything_kept_is_the_whole_model(lens: Lens, tokenizer: Tokenizer) -> None:
    every = {"end": tuple((layer, head) for layer in range(3) for head in range(2))}
    measured = Faithfulness(lens, tokenizer)
    found = measured.percent(0, "ABB", bos=True, circuit=every, everywhere=True, prompts=4)
    assert found == pytest.approx(100)
    assert measured.percent(0, "ABB", bos=True, circuit=every, prompts=4) != pytest.approx(100)
