"""The audit of claims and controls as Markdown, for the terminal and for CLAIMS.md."""

from __future__ import annotations

from collections.abc import Sequence

from replications.report.audit import ClaimAudit, ControlAudit
from replications.report.markdown import cell, table
from replications.report.text import clip

ABOUT = """\
A world is whatever a claim was judged on: the subjects, and the lesions, among them an untrained
model. *Red* counts the lesions that turn a claim red, of those made to a subject on which it holds.
For each control, the worlds in which it was accepted, of those it ran in; where there is none, its
nearest margin, and the world in which it would be accepted."""
HEADERS = ("claim", "held", "failed", "red", "controls accepted")


def section(audits: Sequence[ClaimAudit]) -> str:
    """What is left to be shown, then one row for each claim that was judged."""
    reached = [found for found in audits if found.reached]
    said = [ABOUT, summary(audits)]
    open_questions = [f"- `{a.id}`: {problem}" for a in reached for problem in a.problems]
    if open_questions:
        said.append("\n".join(open_questions))
    said.append(table(HEADERS, [_row(found) for found in reached]))
    never = [f"`{a.id}` (of {len(a.held)})" for a in reached if not a.failed]
    if never:
        said.append(f"Held in every world that they were judged in: {', '.join(never)}.")
    why = [f"- `{a.id}`: {a.entry['no_lesion']}" for a in reached if a.entry["no_lesion"]]
    if why:
        said.append("Tier-1 claims that no lesion can turn red:\n\n" + "\n".join(why))
    return "\n\n".join(said)


def summary(audits: Sequence[ClaimAudit]) -> str:
    """The numbers of claims and controls that went both ways, in sentences."""
    reached = [found for found in audits if found.reached]
    controls = [control for found in reached for control in found.controls if control.ran]
    accepted = sum(bool(control.accepted) for control in controls)
    explained = sum(not c.accepted and bool(c.accepted_if) for c in controls)
    first = [found for found in reached if found.entry["tier"] == 1]
    red = sum(bool(found.red) for found in first)
    problems = sum(len(found.problems) for found in reached)
    return (
        f"{len(reached)} of {len(audits)} claims were judged; "
        f"{sum(bool(a.failed) for a in reached)} failed in some world. "
        f"Of {len(controls)} controls {accepted} were accepted in some world, and {explained} say "
        f"what world would accept them. Of {len(first)} claims of tier 1, {red} are turned red by "
        f"some lesion, and {sum(bool(a.entry['no_lesion']) for a in first)} say why none can. "
        f"Open questions: {problems}."
    )


def _row(found: ClaimAudit) -> list[str]:
    return [
        f"`{found.id}`",
        str(len(found.held)),
        str(len(found.failed)),
        f"{len(found.red)}/{found.lesions}" if found.lesions else "–",
        "<br>".join(_control(control) for control in found.controls) or "–",
    ]


def _control(control: ControlAudit) -> str:
    said = f"{cell(clip(control.name, 60))}: {len(control.accepted)}/{control.ran}"
    if control.accepted or not control.ran:
        return said
    if control.nearest is not None:
        said += f", nearest {control.nearest:+.3g}"
    return said + (f"; {cell(control.accepted_if)}" if control.accepted_if else "")
