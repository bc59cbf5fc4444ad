# shellcheck shell=bash
# Sourced by the other scripts: the repository root as working directory, and how steps are announced.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck disable=SC2034 # used by those that source this
venv=build/venv
# shellcheck disable=SC2034
jobs=${SEDNA_JOBS:-$(nproc)}
# One cache for all build trees, of other clones too: the wheel's is compiled by the same commands as the release preset's.
export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$PWD
# What the cache's manual asks for where headers are precompiled (cmake/precompiled.cmake).
export CCACHE_SLOPPINESS=pch_defines,time_macros

say() { printf '==> %s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# step NAME COMMAND…: runs the command and says how long it took. A function given here must chain with &&: bash ignores
# `set -e` in it.
step() {
  local name=$1 begin=$SECONDS status=0
  shift
  say "$name"
  "$@" || status=$?
  say "$name: $((SECONDS - begin)) s$([[ $status -eq 0 ]] || echo ", FAILED ($status)")"
  return "$status"
}
