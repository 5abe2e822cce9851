#!/bin/sh
# Seconds to the first update of each peer and of rlc, caches off, on one core: a table in Markdown.
#
#   bench/peers/compile_times.sh       after bench/peers/setup.sh
#   BUILD=build CASES="sac ppo"        where rlc was built, and which cases
#   UNDER="chrt -f 1"                  a command to run each under
#   VENV=build/venv-peers              the peers' environment
#
# rlc: `compile_seconds` of rlc bench. Peers: the first call of the variant, tracing and running included, without starting
# Python and importing.
set -eu

cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
CASES=${CASES:-sac remac_8_4 remac_16_8 remac_paper ppo}
here=bench/peers
python=${VENV:-build/venv-peers}/bin/python
core=$(($(nproc) - 1))
export PYTHONPYCACHEPREFIX="$PWD/build/peers/pycache" RLC_CACHE=off TORCHINDUCTOR_FORCE_DISABLE_CACHES=1 TORCHINDUCTOR_COMPILE_THREADS=1

# The value of the key $1 in a line of JSON, two digits of it.
seconds() { sed -n "s/.*\"$1\": *\\([0-9.e+-]*\\).*/\\1/p" | awk '{ printf "%.3g", $1 }'; }

rlc() {
  arguments=$($python -c "import sys; sys.path.insert(0, '$here'); from cases import CASES; print(*CASES['$1'].spec)")
  # shellcheck disable=SC2086
  ${UNDER:-} taskset -c "$core" "$BUILD/rlc" bench $arguments --json --seconds 0.1 | seconds compile_seconds
}

peer() { # SCRIPT CASE VARIANT
  ${UNDER:-} $python "$here/$1_${2%%_*}.py" --case "$2" --variant "$3" --seconds 0.1 2>/dev/null | seconds first_call_seconds
}

echo "| case | rlc | jax, loop | jax, one update | torch compile |"
echo "|---|---:|---:|---:|---:|"
for case in $CASES; do
  loop=scan
  [ "$case" != ppo ] || loop=epoch
  echo "| $case | $(rlc "$case") | $(peer jax "$case" $loop) | $(peer jax "$case" single) | $(peer torch "$case" compile) |"
done
