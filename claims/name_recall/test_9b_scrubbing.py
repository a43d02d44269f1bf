"""Causal scrubbing of the induction circuit: what its copying heads may depend on."""

from __future__ import annotations

from replications.judging.claim import Control, claim, instead
from replications.judging.expectation import at_least, parts

from .common import CONCLUSION

ABOUT = (
    "The document's sentence with random names, half of them with the introduced first name at the "
    "end. The share of the loss recovered, and the low end of its 95 % bootstrap interval over 300 "
    "strings. The bar of the toys was chosen after a look at two of the three."
)
ALL = "on the network that was written so, the account is all that there is"
ABOVE_WRONG = "wrong hypotheses recover up to 0.72 on toys"
EXPECTED = {
    "construction": parts(recovered=at_least(0.99), low=at_least(0.985), because=ALL),
    "toy": parts(recovered=at_least(0.8), low=at_least(0.75), because=ABOVE_WRONG),
}


def wrong(name: str, hypothesis: str, accepted_if: str) -> Control:
    return instead(name, lambda s: s.scrubbing.recovered(hypothesis), accepted_if=accepted_if)


@claim(
    "name_recall/scrub-after-copy",
    says="The direct paths of copying heads depend on the token after the earlier copy of the last "
    "token, and on nothing else.",
    source=CONCLUSION,
    tier=2,
    published=None,
    expect=EXPECTED,
    control=(
        wrong(
            "on the last name, copy or not",
            "any last name",
            "A model that repeats any last name that was said.",
        ),
        wrong(
            "on whether there is a copy",
            "before copy",
            "A model that knows that a name is due, but not which.",
        ),
        wrong("on the first name", "first name", "A model that answers by the first name alone."),
    ),
    note=f"{ABOUT} Of the second head, where there is one, the direct path depends on the last "
    "name.",
    costly=True,
)
def test_copying_heads_depend_on_the_token_after_the_copy(subject):
    return subject.scrubbing.recovered("after copy")


@claim(
    "name_recall/scrub-induction-inputs",
    says="Copying heads read the last name and, told by the previous-token head, the name before "
    "it; at the end they read the last token.",
    source=CONCLUSION,
    tier=2,
    published=None,
    expect=EXPECTED,
    control=wrong(
        "previous-token head scrubbed",
        "inputs, previous token unread",
        "A model whose copying heads are told of the name by other heads.",
    ),
    note=f"{ABOUT} The same, with every other input of the copying heads from a random string. In "
    "the control what the previous-token head wrote may depend on the last name alone.",
    costly=True,
)
def test_copying_heads_read_the_name_and_the_token_before(subject):
    return subject.scrubbing.recovered("inputs")
