"""Sedna: edge-cloud synergy AI.

``import sedna`` is light: no thread, no framework, no environment look-up. The extension module ``sedna._sedna`` is
loaded by the first object that needs it.

The names most users need::

    from sedna.core.joint_inference import BigModelService, JointInference
    import sedna
    sedna.calibrate(scores, edge_right, cloud_right, policy="accuracy", target=0.98)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sedna import _absent
from sedna.__version__ import __version__

_absent.install()

from sedna import algorithms  # noqa: E402  (registers the preset filters, as upstream's import does)

if TYPE_CHECKING:
    from sedna.calibration import Calibration, calibrate

__all__ = ["Calibration", "__version__", "algorithms", "calibrate"]


def __getattr__(name: str) -> Any:
    if name in ("calibrate", "Calibration"):
        from sedna import calibration

        return getattr(calibration, name)
    raise AttributeError(f"module 'sedna' has no attribute {name!r}")
