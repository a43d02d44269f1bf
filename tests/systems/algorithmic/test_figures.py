"""Every picture is drawn for the model it belongs to, and refused for the other."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from replications.plotting.pictures import CannotDraw, Picture
from replications.systems.algorithmic import figures
from replications.systems.algorithmic.measure import PalindromeSubject, UniqueSubject


@pytest.mark.parametrize("picture", figures.PICTURES, ids=lambda picture: picture.name)
def test_a_picture_belongs_to_one_model(
    picture: Picture, palindromes: PalindromeSubject, letters: UniqueSubject
) -> None:
    of_letters = picture.name in ("duplicates", "letter-scores", "paths")
    mine, other = (letters, palindromes) if of_letters else (palindromes, letters)
    assert isinstance(picture.draw(mine), Figure)
    with pytest.raises(CannotDraw, match="it belongs to the"):
        picture.draw(other)


def test_bars_show_what_is_left(palindromes: PalindromeSubject) -> None:
    mean, zero = figures.ablations.draw(palindromes).axes
    heights = [bar.get_height() for bar in mean.patches]  # type: ignore[attr-defined]
    assert heights == pytest.approx(list(palindromes.behaviour.mean_ablated().values()))
    assert zero.get_title() == "zero ablation"
