#!/usr/bin/env bash
# shellcheck disable=SC2034  # what is unused here is used by the scripts that source this
set -euo pipefail
# Shared by the scripts here; sourced, never run. Sets `root` and changes to it.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"

build_packages=(
  g++ cmake ninja-build pkg-config util-linux
  libfmt-dev libdeflate-dev liburing-dev libcli11-dev nlohmann-json3-dev
  libboost-context-dev libisal-dev
  libgtest-dev libgmock-dev librapidcheck-dev liblzma-dev
)
plot_packages=(gnuplot-nox)
clang_packages=(clang-19)
fuzz_packages=(libclang-rt-19-dev)
check_packages=(clang-format-19 clang-tidy-19 shellcheck)
coverage_packages=(python3)
rocksdb_packages=(rocksdb-tools)

die() {
  printf 'seqwal: %s\n' "$1" >&2
  exit "${2:-1}"
}

wrong_usage() {
  usage >&2
  exit 2
}

missing_packages() {
  local package
  for package in "$@"; do
    if [[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]]; then
      printf '%s\n' "$package"
    fi
  done
}

# install_packages NAME...: from Debian, only what is missing; without a network access when nothing is.
install_packages() {
  command -v apt-get >/dev/null ||
    die "install: no apt here: this script needs Debian 12; install by hand: $*"
  local -a missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || die "install: not root: run as root, or first: apt-get install ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local -a apt=(apt-get -y -q -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update || printf 'seqwal: install: apt-get update failed: going on with the lists at hand\n' >&2
  "${apt[@]}" install --no-install-recommends "${missing[@]}" ||
    die "install: apt-get: cannot install ${missing[*]}: is a Debian 12 mirror reachable?"
}

# configure_preset PRESET: only warnings and errors are heard.
configure_preset() { cmake --preset "$1" --log-level=WARNING >/dev/null; }

# build_preset PRESET [OPTION...]: options go to `cmake --build`.
build_preset() {
  configure_preset "$1"
  cmake --build --preset "$@"
}

failed_stages=()
stage_logs="$(mktemp -d)"
trap 'rm -rf "$stage_logs"' EXIT

# stage NAME COMMAND...: runs it with `set -e` in force, prints how long it took, and remembers a failure.
# Always succeeds, so that the stages after it run too; stages_passed tells at the end.
stage() {
  local name="$1" started=$SECONDS status=0
  local log="$stage_logs/${name//\//-}"
  shift
  printf -- '-- stage %s\n' "$name"
  set +e
  (
    set -e
    "$@"
  ) 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  set -e
  printf '== stage %s: %d s%s\n' "$name" $((SECONDS - started)) "$( ((status)) && echo " (failed: $status)")"
  if ((status)); then
    failed_stages+=("$name")
  fi
}

# The end of what a failed stage said is said again: the stages after it have pushed it out of sight.
stages_passed() {
  ((${#failed_stages[@]})) || return 0
  local name
  for name in "${failed_stages[@]}"; do
    printf -- '-- stage %s ended with\n' "$name"
    tail -n 60 "$stage_logs/${name//\//-}"
  done
  printf 'failed: %s\n' "${failed_stages[*]}"
  return 1
}
