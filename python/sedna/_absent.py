"""Names of upstream's package that belong to features this build does not carry yet.

Importing one raises an ImportError that says so, instead of a bare "No module named". Nothing here pretends to work.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Optional, Sequence

_FEATURES = {
    "sedna.core.incremental_learning": "incremental learning",
    "sedna.core.lifelong_learning": "lifelong learning",
    "sedna.core.multi_edge_inference": "multi-edge inference",
    "sedna.algorithms.knowledge_management": "lifelong learning",
    "sedna.algorithms.multi_task_learning": "lifelong learning",
    "sedna.algorithms.seen_task_learning": "lifelong learning",
    "sedna.algorithms.unseen_task_detect": "lifelong learning",
    "sedna.algorithms.unseen_task_detection": "lifelong learning",
    "sedna.algorithms.unseen_task_processing": "lifelong learning",
    "sedna.algorithms.optical_flow": "multi-edge inference",
    "sedna.algorithms.reid": "multi-edge inference",
    "sedna.service.multi_edge_inference": "multi-edge inference",
    "sedna.service.run_kb": "lifelong learning",
    "sedna.service.server.knowledgeBase": "lifelong learning",
    "sedna.datasources.kafka": "multi-edge inference",
    "sedna.datasources.obs": "multi-edge inference",
}


def missing(name: str, feature: str) -> ImportError:
    """The error that an absent name raises."""
    return ImportError(
        f"{name} belongs to {feature}, which this build of Sedna does not carry yet "
        "(see docs/compatibility/python.md for what it does)",
        name=name,
    )


class _Finder:  # of importlib.abc's kind without importing it, which costs a third of `import sedna`
    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        if fullname in _FEATURES:
            raise missing(fullname, _FEATURES[fullname])
        return None


def install() -> None:
    """Adds the finder, last in line, once."""
    if not any(type(finder).__name__ == _Finder.__name__ and type(finder).__module__ == __name__
               for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
