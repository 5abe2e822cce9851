#!/bin/sh
# The learning record: trains and prints one table of evaluation returns, with the commands. Long: about 10 CPU minutes a run of 100,000 steps.
#   bench/learn.sh DIR NAME STEPS SEEDS SPEC [key=value ...]      one variant: seeds 1 .. SEEDS into DIR/NAME_sSEED
#   bench/learn.sh --table DIR                                    the table of what is in DIR
#   bench/learn.sh --curves DIR OUT                               step, returns and entropy of every run, thinned, as CSV files in OUT
set -eu
cd "$(dirname "$0")/.."

table() {
  echo "| run | steps | updates | evaluation return, mean action | sampled action | CPU of |"
  echo "|---|---:|---:|---:|---:|---|"
  for run in "$1"/*/; do
    [ -r "$run/result.json" ] || continue
    tail -n 1 "$run/evaluations.csv" | awk -F, -v run="$(basename "$run")" \
      -v updates="$(sed -n 's/.*"updates": \([0-9]*\).*/\1/p' "$run/result.json" | head -1)" \
      -v cpu="$(sed -n 's/.*"cpu": "\(.*\)".*/\1/p' "$run/provenance.json" | head -1)" \
      '{ printf "| %s | %d | %s | %.0f | %.0f | %s |\n", run, $1, updates, $2, $7, cpu }'
  done
}

curves() {
  mkdir -p "$2"
  for run in "$1"/*/; do
    name=$(basename "$run")
    cut -d, -f1,2,7 "$run/evaluations.csv" >"$2/$name.evaluations.csv"
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "actor/entropy") e = i; print "step,rollout_return,entropy"; next }
             $1 % 5000 < 1000 && e { printf "%d,%.1f,%.4f\n", $1, $4, $e }' "$run/progress.csv" >"$2/$name.training.csv"
  done
}

case ${1:-} in
--table) table "$2" ;;
--curves) curves "$2" "$3" ;;
*)
  [ $# -ge 5 ] || { sed -n '2,6p' "$0"; exit 2; }
  dir=$1 name=$2 steps=$3 seeds=$4
  shift 4
  mkdir -p "$dir"
  build/rlc compile "$@" -o "$dir/$name"
  for seed in $(seq 1 "$seeds"); do
    "$dir/$name" --seed "$seed" --steps "$steps" --eval-every 10000 --out "$dir/${name}_s$seed" --quiet
  done
  table "$dir"
  ;;
esac
