"""Every picture is drawn for the model it belongs to, and refused for another."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from replications.plotting.pictures import CannotDraw, Picture
from replications.systems.algorithmic import figures
from replications.systems.algorithmic.measure import PalindromeSubject

MODEL = {
    **dict.fromkeys(("duplicates", "letter-scores", "paths"), "letters"),
    **dict.fromkeys(("write-map", "carry-hierarchy", "answer-circle"), "sums"),
    **dict.fromkeys(("copying", "number-scores", "by-gap"), "lists"),
    **dict.fromkeys(("number-line", "neurons-off", "neuron-responses"), "numbers"),
}
"""Which fixture has the model of a picture; the other pictures are of `palindromes`."""


@pytest.mark.sampled(4)
@pytest.mark.parametrize("picture", figures.PICTURES, ids=lambda picture: picture.name)
def test_a_picture_belongs_to_one_model(picture: Picture, request: pytest.FixtureRequest) -> None:
    mine = MODEL.get(picture.name, "palindromes")
    other = "letters" if mine == "palindromes" else "palindromes"
    assert isinstance(picture.draw(request.getfixturevalue(mine)), Figure)
    with pytest.raises(CannotDraw, match="it belongs to the"):
        picture.draw(request.getfixturevalue(other))


def test_bars_show_what_is_left(palindromes: PalindromeSubject) -> None:
    mean, zero = figures.ablations.draw(palindromes).axes
    heights = [bar.get_height() for bar in mean.patches]  # type: ignore[attr-defined]
    assert heights == pytest.approx(list(palindromes.behaviour.mean_ablated().values()))
    assert zero.get_title() == "zero ablation"
