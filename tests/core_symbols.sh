#!/usr/bin/env bash
set -euo pipefail
# The core has no thread, no clock, no randomness, no system call and no global state: what its object code refers
# to is the proof. The text check in repository_test.cc is quicker to point at a line; this one cannot be fooled.

usage() {
  cat <<'TEXT'
usage: tests/core_symbols.sh LIBRARY | --self-test

Fails if the archive refers to a symbol of the outside world, or holds writable data.

example: tests/core_symbols.sh build/release/core/libseqwal_core.a
TEXT
}

# Names as `nm -u -C` prints them, from the start of the name.
forbidden_names=(
  'pthread_' 'sem_' 'sched_' 'futex'
  'std::(__1::)?(thread|jthread|condition_variable|mutex|random_device|this_thread)\b'
  'std::chrono::.*(now|sleep)' 'std::(ios_base|basic_(o|i|io)?f?stream|cout|cerr|clog|cin)\b'
  '(clock|timer|timerfd)_?[a-z]*(@|$)' 'gettimeofday' 'time(@|$)' '(u|nano)?sleep(@|$)'
  '(p|l)?(read|write|seek|open|close)(v|v2|at|64)*(@|$)' 'ioctl' 'fcntl' 'fsync' 'fdatasync' 'mmap' 'munmap'
  'f(open|close|read|write|flush|puts|putc)' 'puts' 'putchar' 'v?[df]?printf' '__[a-z]*printf_chk' '__assert_fail'
  'fmt::v[0-9]+::v?print' 'std(out|err|in)(@|$)'
  'syscall' 'io_uring' 's?rand(om)?(_r)?(@|$)' '[delmn]rand48' 'getrandom' 'getentropy' '(secure_)?getenv'
  'fork' 'exec[vl]' 'getpid' 'signal' 'sigaction' '__cxa_guard' '__tls_' '__cxa_thread_atexit'
)

# stdin: nm -u -C. stdout: the forbidden lines of it. check.cc alone may print: a failed check's last words.
forbidden_references() {
  local pattern
  pattern="$(IFS='|' && printf '%s' "${forbidden_names[*]}")"
  awk '
    /^[^ ].*:$/ { member = $1 }
    member == "check.cc.o:" && / U (stderr$|fmt::v[0-9]+::v?print\()/ { next }
    { print }' | grep -E "^ +[Uuvw] ($pattern)" || true
}

# stdin: nm -C --format=sysv. stdout: what lies in a section that is writable at run time. Tables of pointers
# (.data.rel.ro) and the compiler's own DW.ref. are constant after loading.
writable_data() {
  awk -F'|' '
    { section = $7; gsub(/[ \t]/, "", section) }
    section ~ /^\.(data|bss|tdata|tbss)/ && section !~ /^\.data\.rel\.ro/ && $1 !~ /^DW\.ref\./ && $4 !~ /SECTION/ {
      print "  writable " section ": " $1
    }'
}

self_test() {
  local folder caught
  folder="$(mktemp -d)"
  # shellcheck disable=SC2064  # the folder of now
  trap "rm -rf '$folder'" EXIT
  cat >"$folder/bad.cc" <<'CODE'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <chrono>
#include <thread>
int counter = 1;
thread_local int per_thread;
long bad(char* text) {
  pthread_detach(pthread_t{});
  std::thread([] {}).join();
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  static const long once = rand();
  per_thread = syscall(1) + read(0, text, 1);
  printf("%s", getenv(text));
  return once + counter + std::chrono::steady_clock::now().time_since_epoch().count();
}
CODE
  cat >"$folder/good.cc" <<'CODE'
#include <string>
#include <vector>
struct Reader {
  virtual ~Reader() = default;
  virtual int read(std::string text) { return static_cast<int>(text.size()); }
};
extern const char* const names[] = {"write", "open"};
int write_all(std::vector<int> values, Reader& reader) { return values.at(0) + reader.read(names[0]); }
Reader* open_reader() { return new Reader; }
CODE
  c++ -std=c++20 -fPIC -c "$folder/bad.cc" -o "$folder/bad.o"
  c++ -std=c++20 -fPIC -c "$folder/good.cc" -o "$folder/good.o"
  caught="$(nm -u -C "$folder/bad.o" | forbidden_references)$(nm -C --format=sysv "$folder/bad.o" | writable_data)"
  local expected
  for expected in pthread_detach std::thread clock_gettime rand syscall read printf getenv 'steady_clock::now' \
    __cxa_guard_acquire ' .data: counter' ' .tbss: per_thread'; do
    [[ "$caught" == *"$expected"* ]] || { echo "not caught: $expected" && return 1; }
  done
  caught="$(nm -u -C "$folder/good.o" | forbidden_references)$(nm -C --format=sysv "$folder/good.o" | writable_data)"
  [[ -z "$caught" ]] || { printf 'wrongly accused:\n%s\n' "$caught" && return 1; }
}

case "${1:-}" in
  -h | --help) usage && exit 0 ;;
  --self-test)
    self_test
    exit
    ;;
  '' | -*) usage >&2 && exit 2 ;;
esac

library="$1"
undefined="$(nm -u -C "$library")"
defined="$(nm -C --format=sysv "$library")"
found="$(forbidden_references <<<"$undefined")$(writable_data <<<"$defined")"
if [[ -n "$found" ]]; then
  printf 'the core must not know these (%s):\n%s\n' "$library" "$found"
  exit 1
fi
[[ "$undefined" == *" U "* ]] || { echo "$library refers to nothing at all: is it the right file?" && exit 1; }
