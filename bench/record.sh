#!/bin/sh
# Records how fast rlc's code is on this machine, for bench/results.
#
#   bench/record.sh                    five rounds of every case, one thread
#   BUILD=build                        where rlc was built
#   ROUNDS=5 THREADS=1                 how often, with how many threads
#   SECONDS_EACH=5                     --seconds of rlc bench
#   TARGET=native                      of rlc bench
#   OUT=bench/results/DATE-TARGET.md   the record
#
# The cases take turns within a round, so that a drift of the machine meets all of them. Every figure
# is the median of its rounds; the raw lines stay below the table. An earlier record of the same day
# is not overwritten: give another OUT.
set -eu

BUILD=${BUILD:-build}
ROUNDS=${ROUNDS:-5}
THREADS=${THREADS:-1}
TARGET=${TARGET:-native}
OUT=${OUT:-bench/results/$(date +%Y-%m-%d)-$TARGET.md}
OPTIONS="--json --threads $THREADS --target $TARGET"
[ -z "${SECONDS_EACH:-}" ] || OPTIONS="$OPTIONS --seconds $SECONDS_EACH"

cases() {
  echo "specs/sac.yaml"
  echo "specs/remac.yaml M=8 K=4"
  echo "specs/remac.yaml M=16 K=8"
}

[ ! -e "$OUT" ] || { echo "error: $OUT is there already; give another with OUT=" >&2; exit 1; }
[ -x "$BUILD/rlc" ] || { echo "error: $BUILD/rlc is not there: make build" >&2; exit 1; }
raw=$(mktemp -d)
trap 'rm -rf "$raw"' EXIT

round=1
while [ "$round" -le "$ROUNDS" ]; do
  number=0
  cases | while read -r line; do
    number=$((number + 1))
    echo "round $round of $ROUNDS: rlc bench $line $OPTIONS" >&2
    # Words of a case are arguments.
    # shellcheck disable=SC2086
    "$BUILD/rlc" bench $line $OPTIONS >>"$raw/$number" </dev/null || exit 1
  done
  round=$((round + 1))
done

# The value of a key in a line of JSON without nesting.
field() { sed -n "s/.*\"$1\":\\([^,}]*\\).*/\\1/p" "$2"; }

median() {
  field "$1" "$2" | grep -v null | sort -g | awk '
    { v[NR] = $1 }
    END { if (NR) print (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2; else print "-" }'
}

# Median, and the least and the most in brackets.
spread() {
  field "$1" "$2" | grep -v null | sort -g | awk -v middle="$(median "$1" "$2")" '
    function text(x) { return sprintf(x >= 1000 ? "%.0f" : "%.4g", x) }
    NR == 1 { least = $1 } { most = $1 }
    END {
      if (!NR) print "-"
      else if (text(least) == text(most)) print text(middle)
      else print text(middle) " [" text(least) "-" text(most) "]"
    }'
}

# The keys of compiler/measure/bench.def, in its order.
keys() { sed -n 's/^FIGURE(\([a-z_]*\),.*/\1/p' compiler/measure/bench.def; }

dirty() { git diff --quiet HEAD -- || echo " with changes that are not committed"; }

write() {
  echo "# Target $TARGET, $(date +%Y-%m-%d), threads: $THREADS"
  echo
  echo "- machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) processors, $(uname -sr)"
  echo "- commit: $(git rev-parse HEAD)$(dirty)"
  echo "- C compiler: $(${CC:-gcc} --version | head -1)"
  echo "- command: \`rlc bench CASE $OPTIONS\`, $ROUNDS rounds, cases in turn; BUILD=$BUILD"
  echo "- every entry is the median of the rounds, with the least and the most"
  echo
  header="| figure |"
  rule="|---|"
  cases >"$raw/cases"
  while read -r line; do
    header="$header $line |"
    rule="$rule---:|"
  done <"$raw/cases"
  echo "$header"
  echo "$rule"
  for key in $(keys); do
    row="| $key |"
    number=0
    while read -r line; do
      number=$((number + 1))
      row="$row $(spread "$key" "$raw/$number") |"
    done <"$raw/cases"
    echo "$row"
  done
  echo
  echo "## Raw"
  echo
  echo '```json'
  number=0
  while read -r line; do
    number=$((number + 1))
    cat "$raw/$number"
  done <"$raw/cases"
  echo '```'
}

write >"$raw/record"
mkdir -p "$(dirname "$OUT")"
cp "$raw/record" "$OUT"
sed '/^## Raw/,$d' "$OUT"
echo "written to $OUT" >&2
