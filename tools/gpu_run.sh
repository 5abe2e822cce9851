#!/bin/sh
# All that is to be done on a borrowed card, by what `make gpu-pack` put beside this script as run.sh: the checks, then the bench, 16 minutes
# at most. Nothing is fetched; bench/README.md of rlc ("On a GPU") says what to build, to take and to bring home.
#
#   sh gpu/run.sh [check] [bench]      both unless one is named; eight minutes at most each
#   RESULTS=gpu-results                the folder to bring home: what each printed, the bench's record, what nvidia-smi says
#   PYTHON=python3                     that JAX and PyTorch are looked for in
#
# What was printed until then is there, too, where this was ended early. Exit status 1: one of them failed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
results=${RESULTS:-gpu-results}
mkdir -p "$results"
results=$(cd "$results" && pwd)
[ $# -gt 0 ] || set -- check bench

# NAME COMMAND...: what it prints goes to the terminal and into a file, and its status into another.
keep() {
  name=$1
  shift
  { status=0; "$@" || status=$?; echo "$status" >"$results/$name.status"; } 2>&1 | tee "$results/$name.txt"
}

nvidia-smi -q >"$results/nvidia-smi.txt" 2>&1 || true
bad=0
for part; do
  case $part in
  check) keep check sh "$here/check/gpu_check.sh" run "$here/check" ;;
  bench) RESULTS=$results keep bench sh "$here/bench/gpu_bench.sh" "$here/bench" ;;
  *) echo "error: '$part' is neither check nor bench" >&2; exit 2 ;;
  esac
  [ "$(cat "$results/$part.status")" = 0 ] || bad=1
done
echo "to bring home: $results"
exit $bad
