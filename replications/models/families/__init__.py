"""The families of models that are read from Hugging Face folders, one file for each."""

from __future__ import annotations

from replications.models.families.family import Family
from replications.models.families.gemma2 import GEMMA2
from replications.models.families.gemma3 import GEMMA3
from replications.models.families.gpt2 import GPT2
from replications.models.families.gpt_neox import GPT_NEOX
from replications.models.families.llama import LLAMA
from replications.models.families.mistral import MISTRAL
from replications.models.families.phi import PHI
from replications.models.families.qwen2 import QWEN2
from replications.models.families.qwen3 import QWEN3

__all__ = ["FAMILIES", "Family"]

FAMILIES = {
    family.name: family
    for family in (GPT2, GPT_NEOX, LLAMA, MISTRAL, QWEN2, QWEN3, GEMMA2, GEMMA3, PHI)
}
"""By their `model_type`."""
