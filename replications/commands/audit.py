"""`audit`: whether each claim and each control was seen to go both ways."""

from __future__ import annotations

import argparse

from replications.commands import NEGATIVE, OK, Commands, add_command
from replications.files import user_path, write_text

ABOUT = """\
Tell, for each claim, in which worlds it held and failed, and for each control, in which it was
accepted. The worlds are the subjects of all ledgers given, lesions and untrained models included.
The exit status is 1 if a control was never accepted and does not say in what world it would be, a
part is rejected by no control, or a claim of tier 1 stays green under every lesion and does not say
why.  Claims that held in every world are listed; where the worlds are few, that says little."""
EXAMPLES = """\
python -m replications audit claims.json lesions.json
    from `pytest claims/ --claims-json claims.json` and the same with --lesions
python -m replications audit claims.json lesions.json --out audit.md
    the whole table as Markdown
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    audit = add_command(
        commands,
        "audit",
        _run,
        summary="where each claim failed and each control was accepted",
        about=ABOUT,
        examples=EXAMPLES,
    )
    audit.add_argument(
        "ledgers",
        type=user_path,
        nargs="+",
        metavar="LEDGER",
        help="files written by --claims-json",
    )
    audit.add_argument("--out", type=user_path, metavar="FILE", help="write the whole table here")


def _run(args: argparse.Namespace) -> int:
    from replications.judging.ledger import Ledger
    from replications.report import audit, audit_md

    audits = audit.audit([Ledger.read(path) for path in args.ledgers])
    if args.out:
        write_text(args.out, audit_md.section(audits) + "\n")
    problems = [(a.id, problem) for a in audits if a.reached for problem in a.problems]
    for name, problem in problems:
        print(f"{name}: {problem}")
    never = [a.id for a in audits if a.reached and not a.failed]
    if never:
        print(f"held in every world: {', '.join(never)}")
    print(audit_md.summary(audits))
    return NEGATIVE if problems else OK
