#!/bin/sh
# Runs every test program under BUILD/tests and sums up. Check prints "NN%: Checks: ..." per program; programs print `SKIP: why` for what they
# leave out, and skips are counted here. The last line is "N passed, N failed, N skipped".
#   tests/run.sh build [NAME ...]
set -u
build=$1
shift
[ $# -gt 0 ] || set -- $(ls tests/*_test.c | sed 's|tests/||; s|\.c$||')
log=$build/tests/log
mkdir -p "$build/tests/out"
: >"$log"
programs=0
broken=""
for name in "$@"; do
  start=$(date +%s)
  if "$build/tests/$name" >"$build/tests/out/$name.log" 2>&1; then status=ok; else status="FAILED ($?)"; broken="$broken $name"; fi
  programs=$((programs + 1))
  grep -E '^[0-9]+%: Checks' "$build/tests/out/$name.log" | tail -1 >>"$log"
  summary=$(grep -E '^[0-9]+%: Checks' "$build/tests/out/$name.log" | tail -1)
  printf '%-28s %-12s %4ss  %s\n' "$name" "$status" "$(($(date +%s) - start))" "$summary"
  [ "$status" = ok ] || sed 's/^/    /' "$build/tests/out/$name.log" | tail -40
  grep '^SKIP' "$build/tests/out/$name.log" | sed 's/^/    /'
done
skipped=$(cat "$build"/tests/out/*.log | grep -c '^SKIP')
awk -v broken="$broken" -v skipped="$skipped" '
  { n = split($0, part, /[:,]/); checks += part[3]; failures += part[5]; errors += part[7] }
  END {
    bad = failures + errors
    if (broken != "" && bad == 0) bad = 1
    printf "%d passed, %d failed, %d skipped\n", checks - failures - errors, bad, skipped
    exit bad > 0
  }' "$log"
