#!/bin/sh
# Runs test programs of BUILD/tests, as many at once as there are cores, and sums up. Check prints "NN%: Checks: ..." per program; programs print
# "SKIP: why" for what they leave out, and skips are counted here. The last line is "N passed, N failed, N skipped".
#   tests/run.sh BUILD [NAME ...]
# Generated code is native, or what NAME@TARGET says.
set -u
if [ "${1:-}" = --one ]; then
  build=$2 name=$3
  start=$(date +%s)
  case $name in *@*) export RLC_TARGET="${name#*@}" ;; esac
  "$build/tests/${name%@*}" >"$build/tests/out/$name.log" 2>&1
  echo "$? $(($(date +%s) - start))" >"$build/tests/out/$name.status"
  exit 0
fi
build=$1
shift
export RLC_CACHE="$PWD/$build/cache"
# The longest first, so that no core waits for them at the end.
[ $# -gt 0 ] || set -- $({ echo specs_test; echo specs_test@cuda; echo rename_test; echo trainer_test; echo agree_test; echo random_test; echo diag_test; for name in codegen_test codegen_chosen_test codegen_scan_test codegen_memory_test codegen_emit_test narrow_test overlap_test trees_test marks_test; do echo $name@c; done; ls tests/*_test.c | sed 's|tests/||; s|\.c$||'; } | awk '!seen[$0]++')
rm -rf "$build/tests/out"
mkdir -p "$build/tests/out"
# A slow or loaded machine is no failure: limits are against what hangs. Check's own, of 4 seconds a test, and those that test programs
# set (most one or two minutes, as on a quiet machine) are multiplied.
export CK_DEFAULT_TIMEOUT=120 CK_TIMEOUT_MULTIPLIER=5
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} "$0" --one "$build" {}
broken=0
for name in $(printf '%s\n' "$@" | sort); do
  read -r status seconds <"$build/tests/out/$name.status"
  summary=$(grep -E '^[0-9]+%: Checks' "$build/tests/out/$name.log" | tail -1)
  printf '%-24s %-10s %4ss  %s\n' "$name" "$([ "$status" = 0 ] && echo ok || echo "FAILED $status")" "$seconds" "$summary"
  [ -n "$summary" ] && [ "$status" = 0 ] || { broken=1; sed 's/^/    /' "$build/tests/out/$name.log" | tail -60; }
  grep -a '^SKIP' "$build/tests/out/$name.log" | sed 's/^/    /'
done
cat "$build"/tests/out/*.log | awk -v broken="$broken" '
  /^[0-9]+%: Checks/ { split($0, part, /[:,]/); checks += part[3]; bad += part[5] + part[7] }
  /^SKIP/ { skipped++ }
  END {
    passed = checks - bad
    if (broken && !bad) bad = 1
    printf "%d passed, %d failed, %d skipped\n", passed, bad, skipped
    exit bad > 0
  }'
