#!/bin/sh
# Measures rlc beside JAX, PyTorch and OpenBLAS on the same updates, for bench/results.
#
#   bench/peers/run.sh                 every case on one core and on two, about 12 minutes
#   ROUNDS=3 SECONDS_EACH=1            how often in turn, and how long each variant at a time
#   THREADS="1 2" CASES="sac ppo"      which (all cases of cases.py)
#   BUILD=build                        where rlc was built
#   UNDER="chrt -f 1"                  a command to run everybody under, on a machine with other work
#   VENV=build/venv-peers              the peers' environment (setup.sh)
#   COLD=1                             torch.compile without its cache, so that its first call is honest
#   OUT=bench/results/DATE-peers.md    the record; an earlier one is not overwritten
set -eu

cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-1}
THREADS=${THREADS:-1 2}
OUT=${OUT:-bench/results/$(date +%Y-%m-%d)-peers.md}
here=bench/peers
export PYTHONPYCACHEPREFIX="$PWD/build/peers/pycache"
python=${VENV:-build/venv-peers}/bin/python

[ ! -e "$OUT" ] || { echo "error: $OUT is there already; give another with OUT=" >&2; exit 1; }
[ -x "$BUILD/rlc" ] || { echo "error: $BUILD/rlc is not there: make build" >&2; exit 1; }
BUILD=$BUILD $here/setup.sh
$python $here/check.py 2>/dev/null || { echo "error: the peers do not compute the same: $here/check.py" >&2; exit 1; }
[ -z "${COLD:-}" ] || export TORCHINDUCTOR_FORCE_DISABLE_CACHES=1

lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
# Numbers and names in a list are arguments of their own.
# shellcheck disable=SC2086
$python $here/rounds.py --rlc "$BUILD/rlc" --rounds "$ROUNDS" --seconds "$SECONDS_EACH" --threads $THREADS ${CASES:+--cases $CASES} \
  --under="${UNDER:-}" >"$lines"

dirty() { git diff --quiet HEAD -- || echo " with changes that are not committed"; }

{
  echo "# rlc beside its peers, $(date +%Y-%m-%d)"
  echo
  echo "- machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) processors, $(uname -sr)"
  echo "- commit: $(git rev-parse HEAD)$(dirty)"
  echo "- command: \`${UNDER:+UNDER=\"$UNDER\" }${COLD:+COLD=1 }ROUNDS=$ROUNDS SECONDS_EACH=$SECONDS_EACH THREADS=\"$THREADS\" bench/peers/run.sh\`; what each figure means: bench/README.md"
  $python $here/summary.py <"$lines"
} >"$lines.md"
mkdir -p "$(dirname "$OUT")"
mv "$lines.md" "$OUT"
sed '/^## Raw/,$d' "$OUT"
echo "written to $OUT" >&2
