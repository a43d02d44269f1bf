"""The pytest plugin that `replicate` loads: one model trained here takes the claims of its system.

With `--lesions --replica SYSTEM/FILE.safetensors` the only subject is the model in that file, which
the manifest lists. Nothing is asserted of it or compared with a record.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from replications.errors import BadInput
from replications.judging.claim import SubjectInfo
from replications.pytest_plugin import System
from replications.systems import registry


def pytest_addoption(parser: Any) -> None:
    """Add the option."""
    parser.addoption("--replica", metavar="SYSTEM/FILE", help="the file of the model to measure")


def pytest_claims_systems(config: Any) -> list[System]:
    """The system of the model, in place of the one that the claims' conftest.py gives."""
    file, options = config.option.replica, config.option
    name = file.partition("/")[0]
    system = registry.load(name)
    info = subject_of(file, system.SUBJECTS)

    def opened(subject: str) -> Any:
        return system.subject(subject, device=options.device, dtype=options.dtype)

    return [System(name, lambda: system.SUBJECTS, opened, lambda: (info,))]


def subject_of(file: str, subjects: tuple[SubjectInfo, ...]) -> SubjectInfo:
    """The subject whose weights are in a file: the first one that it reads. BadInput if none."""
    found = next((info for info in subjects if info.fixtures[:1] == (file,)), None)
    if found is None:
        raise BadInput(f"no subject is opened from {file}: no claim is made of such models")
    return replace(found, gates=False)
