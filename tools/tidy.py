"""clang-tidy over translation units, passing over those that it had nothing to say about before.

    tools/tidy.py DATABASE FILE…        DATABASE: a build folder with compile_commands.json

A file counts as seen when its preprocessed text with comments (where NOLINT is), the checks and clang-tidy's version are
what they were in a run without findings; precompiled headers, which are others', are not looked into for that. What was
seen is kept in $XDG_CACHE_HOME/sedna/tidy, for every clone of one machine; entries that nobody asked for in a month go.
Exit status 1 when there are findings.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIDY = "clang-tidy-19"
MONTH = 30 * 86400


def cache_folder() -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = pathlib.Path(base) / "sedna" / "tidy"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def preprocessed(entry: dict[str, str]) -> bytes | None:
    """What the compiler reads of this file, the clone's own path taken out; None when it cannot be preprocessed."""
    words = shlex.split(entry["command"])
    if os.path.basename(words[0]) == "ccache":
        words = words[1:]
    for option, follows in (("-o", 1), ("-c", 0)):
        if option in words:
            at = words.index(option)
            del words[at : at + 1 + follows]
    done = subprocess.run(  # noqa: S603
        [*words, "-E", "-C"], cwd=entry["directory"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return done.stdout.replace(str(ROOT).encode(), b".") if done.returncode == 0 else None


class Tidy:
    """One run: the database, what is common to all files' keys, and where clean ones are remembered."""

    def __init__(self, database: pathlib.Path) -> None:
        self.database = database
        self.commands = {
            os.path.relpath(entry["file"], ROOT): entry for entry in json.loads((database / "compile_commands.json").read_text())
        }
        version = subprocess.run([TIDY, "--version"], check=True, stdout=subprocess.PIPE).stdout  # noqa: S603
        self.common = version + (ROOT / ".clang-tidy").read_bytes()
        self.folder = cache_folder()

    def look_at(self, name: str) -> tuple[bool, str, bool]:
        """Whether it is clean, what clang-tidy printed, and whether it had to be run."""
        text = preprocessed(self.commands[name])
        seen = None
        if text is not None:
            seen = self.folder / hashlib.sha256(self.common + name.encode() + text).hexdigest()
            if seen.exists():
                os.utime(seen)
                return True, "", False
        done = subprocess.run(  # noqa: S603
            [TIDY, "--quiet", "--warnings-as-errors=*", "-p", str(self.database), name],
            cwd=ROOT,
            text=True,
            capture_output=True,
        )
        clean = done.returncode == 0
        if clean and seen is not None:
            seen.touch()
        complaint = [line for line in done.stderr.splitlines() if "error" in line and "generated" not in line]
        return clean, done.stdout + "\n".join(complaint), True

    def forget_old(self) -> None:
        for entry in self.folder.iterdir():
            if entry.stat().st_mtime < time.time() - MONTH:
                entry.unlink(missing_ok=True)


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    tidy = Tidy(pathlib.Path(sys.argv[1]))
    names = sys.argv[2:]
    unknown = [name for name in names if name not in tidy.commands]
    if unknown:
        print(f"not compiled in {sys.argv[1]}: {' '.join(unknown)}", file=sys.stderr)
        return 2
    findings = ran = 0
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("SEDNA_JOBS", 0)) or os.cpu_count()) as pool:
        for clean, printed, needed in pool.map(tidy.look_at, names):
            findings += not clean
            ran += needed
            if not clean:
                print(printed, flush=True)
    tidy.forget_old()
    print(f"clang-tidy: {len(names)} files, {ran} looked at anew, {findings} with findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
