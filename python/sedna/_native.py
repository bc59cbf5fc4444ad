"""The one place that loads the extension module, so that its absence gets one helpful message."""

from __future__ import annotations

try:
    import sedna._sedna as native
except ImportError as error:
    raise ImportError(
        "the extension module sedna._sedna cannot be loaded "
        f"({error}).\n"
        "Either another distribution called 'sedna' (an unrelated project on the package index) shadows this one, or the "
        "package was not built.\n"
        "  - pip uninstall sedna, then `pip install .` in a checkout of this repository (or install its wheel file);\n"
        "  - building needs a C++20 compiler, CMake 3.25, Ninja and the development files of Boost 1.81+ (headers), "
        "OpenSSL 3 and zlib; on Debian or Ubuntu: libboost-dev libssl-dev zlib1g-dev;\n"
        f"  - this file is {__file__}.",
        name="sedna._sedna",
    ) from error

__all__ = ["native"]
