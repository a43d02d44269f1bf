"""One weight matrix of a shipped model larger by 1 %: does the run notice, and name what moved?

    python -m tests.changed_weight list_update/seed1 --seed 0 [--entry] [--claims-json OUT.json]

draws one parameter of the model, multiplies it by 1.01 (or with --entry one number of it),
describes the changed file in a manifest of its own, so that its digest fits, and judges the claims
of that model against the recorded outcomes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import safetensors.torch

from replications.systems import registry

ROOT = Path(__file__).parents[1]


def change(content: bytes, seed: int, *, entry: bool = False) -> tuple[bytes, str]:
    """The file with one parameter, or one `entry` of it, larger by 1 %; and what that is.

    Parameters are drawn by their number of entries.
    """
    weights = safetensors.torch.load(content)
    # Sorted: safetensors reads them in an order of its own, another in each process.
    sizes = {name: weights[name].numel() for name in sorted(weights)}
    draw = random.Random(seed)
    name = draw.choices(list(sizes), list(sizes.values()))[0]
    at = draw.randrange(sizes[name])
    (weights[name].view(-1)[at] if entry else weights[name]).mul_(1.01)
    return safetensors.torch.save(weights), f"{name}[{at}]" if entry else name


def prepare(folder: Path, file: str, seed: int, *, entry: bool = False) -> str:
    """Put the changed file and a manifest that describes it into `folder`; name the weight."""
    content, weight = change((ROOT / "fixtures" / file).read_bytes(), seed, entry=entry)
    (folder / file).parent.mkdir(parents=True)
    (folder / file).write_bytes(content)
    text = (ROOT / "fixtures/manifest.toml").read_text(encoding="utf-8")
    described = re.compile(
        rf'(name = "{re.escape(file)}"\n(?:.*\n)*?bytes = )\d+\nsha256 = "\w+"', re.MULTILINE
    )
    digest = hashlib.sha256(content).hexdigest()
    text, number = described.subn(rf'\g<1>{len(content)}\nsha256 = "{digest}"', text, count=1)
    assert number == 1, f"{file} is not in the manifest"
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
    return weight


def run(subject: str, seed: int, *options: str, entry: bool = False) -> tuple[int, str]:
    """The exit status and the output of judging a changed model; the weight comes first in it."""
    info = registry.named(subject)[0]
    file = next(name for name in info.fixtures if name.endswith(".safetensors"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        weight = prepare(folder, file, seed, entry=entry)
        environment = {
            **os.environ,
            "REPLICATIONS_FIXTURES": str(folder),
            "REPLICATIONS_MANIFEST": str(folder / "manifest.toml"),
        }
        command = [sys.executable, "-m", "pytest", f"claims/{info.system}", "-q", "--offline"]
        command += ["-k", info.name, "--tb=no", "-p", "no:cacheprovider", *options]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    return done.returncode, f"{subject}: {weight}\n{done.stdout}{done.stderr}"


def main() -> int:
    """Change, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.changed_weight")
    parser.add_argument("subject", help="system/subject")
    parser.add_argument("--seed", type=int, default=0, help="which weight (default 0)")
    parser.add_argument("--entry", action="store_true", help="one number of it only")
    args, options = parser.parse_known_args()
    status, output = run(args.subject, args.seed, *options, entry=args.entry)
    print(output)
    return status


if __name__ == "__main__":
    sys.exit(main())
