#!/bin/sh
# Measures what tools/gpu_pack.sh made, and the peers that are found, on the card here; the table comes last. At most eight minutes;
# nothing is fetched, and nothing is needed but the folder. `make gpu-bench` packs and measures.
#
#   tools/gpu_bench.sh build/gpu/bench
#   SECONDS_EACH=3                     of measuring each row
#   PYTHON=python3                     that JAX and PyTorch are looked for in
#   RESULTS=.                          where the record is written, gpu-DATE.md, if nvidia-smi knows the card; none is overwritten
#
# A row is `not found` where what it needs is not here, and `not measured` where it failed, with the reason. Exit status 1 when a row
# of rlc's own is missing.
set -eu

pack=${1:?usage: tools/gpu_bench.sh FOLDER (of tools/gpu_pack.sh)}
kind=$(sed -n 's/^kind: //p' "$pack/made" 2>/dev/null || true)
[ "$kind" = bench ] || { echo "error: $pack is ${kind:+a pack of kind '$kind', }not what tools/gpu_pack.sh makes" >&2; exit 1; }
pack=$(cd "$pack" && pwd)
RESULTS=${RESULTS:-.}
SECONDS_EACH=${SECONDS_EACH:-3}
PYTHON=${PYTHON:-python3}
export PYTHONDONTWRITEBYTECODE=1
began=$(date +%s)
most=460 # seconds in all, the table's own aside

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rows=$work/rows
: >"$rows"
made() { sed -n "s/^$1: //p" "$pack/made"; }
tiny=$(made tiny)

card=$(nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,clocks.max.mem --format=csv,noheader 2>/dev/null | head -1) || card=
[ -z "${RLC_CUDA_DRIVER:-}" ] || card= # something that plays a card

# A row that holds no figure, and of which variant of a peer, where it has several.
variant=
lacks() { printf '%s\t%s\t%s\t\t\t\t%s\n' "$1" "$2" "$3" "${variant:+$variant: }$4" >>"$rows"; }

# row LIMIT SYSTEM CASE COMMAND...: the line that the command prints, or why there is none.
row() {
  limit=$1 system=$2 name=$3
  shift 3
  left=$((began + most - $(date +%s)))
  [ "$left" -gt 5 ] || { lacks "$system" "$name" "not measured" "no time was left"; return 0; }
  [ "$limit" -le "$left" ] || limit=$left
  echo "measuring $system, $name" >&2
  status=0
  timeout -k 2 "$limit" "$@" >"$work/out" 2>"$work/said" </dev/null || status=$?
  if [ "$status" = 0 ] && grep -q "^$system	" "$work/out"; then
    grep "^$system	" "$work/out" | tail -1 | awk -F'\t' -v OFS='\t' -v name="$name" '{ $2 = name; print }' >>"$rows"
    return 0
  fi
  why=$(grep -v '^ *$' "$work/said" | tail -1 | tr '\t|' '  ' | cut -c1-200)
  case $status in
  2 | 127) lacks "$system" "$name" "not found" "${why#not found: }" ;;
  124 | 137) lacks "$system" "$name" "not measured" "took longer than $limit s" ;;
  *) lacks "$system" "$name" "not measured" "${why:-status $status}" ;;
  esac
}

made case | cut -d' ' -f1,2 >"$work/cases"
while read -r name seeds; do
  what=${name%-seeds}
  [ "$seeds" = 1 ] || what="$what x$seeds seeds"
  row 70 rlc "$what" "$pack/$name" "$name" "$SECONDS_EACH" "$seeds"
  [ -z "$card" ] || [ -n "${clock:-}" ] || clock=$(nvidia-smi --query-gpu=clocks.sm,clocks.mem --format=csv,noheader | head -1)
done <"$work/cases"
if [ -z "${RLC_CUBLAS:-}" ]; then
  site=$($PYTHON -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' 2>/dev/null || true)
  for library in "${CUDA_PATH:-/usr/local/cuda}"/lib*/libcublas.so.1[0-9] "$site"/nvidia/*/lib/libcublas.so.1[0-9]; do
    [ ! -e "$library" ] || { export RLC_CUBLAS="$library"; break; }
  done
fi
for name in $(awk '$2 == 1 { print $1 }' "$work/cases"); do
  size=$name
  [ -z "$tiny" ] || { size=tiny; [ "$name" != reppo ] || size=tiny_reppo; }
  row 25 cublas "$name" "$pack/cublas" "$size" "$SECONDS_EACH"
done

peer() { # LIMIT SYSTEM CASE VARIANT
  # shellcheck disable=SC2086
  variant=$4
  row "$1" "$2" "$3" "$PYTHON" "$pack/peers/gpu_$2.py" --seconds "$SECONDS_EACH" --variants "$4" ${tiny:+--tiny} ${PEERS_CPU:+--cpu}
}
peer 45 jax sac sac
peer 45 jax sac sac-unrolled
peer 45 jax remac remac
peer 45 jax "sac x100 seeds" sac-seeds
peer 60 jax "remac x100 seeds" remac-seeds
peer 60 jax reppo reppo
peer 45 torch sac graph
peer 90 torch sac compile

# ---- the tables ----

figures() {
  echo "| figure | wanted | measured |"
  echo "|---|---|---|"
  awk -F'\t' '
    $3 + 0 > 0 { key = $1 " " $2; if ($3 + 0 > rate[key]) rate[key] = $3 + 0 }
    function line(what, wanted, value, format) { printf "| %s | %s | %s |\n", what, wanted, (value > 0 ? sprintf(format, value) : "not measured") }
    function per(a, b) { return rate[a] > 0 && rate[b] > 0 ? rate[a] / rate[b] : 0 }
    END {
      line("SAC, one seed, update only", "at most 60 us", rate["rlc sac"] > 0 ? 1e6 / rate["rlc sac"] : 0, "%.1f us")
      line("ReMAC M=16 K=4 over the SAC update", "at most 1.5", per("rlc sac", "rlc remac"), "%.2f")
      line("SAC, 100 seeds", "at least 100,000 seed-updates/s", rate["rlc sac x100 seeds"], "%.0f/s")
      line("REPPO, minibatches of 2,048, over the rate of its products in cuBLAS", "at least 0.9", per("rlc reppo", "cublas reppo"), "%.3f")
      line("REPPO over JAX", "at least 2", per("rlc reppo", "jax reppo"), "%.2f")
      line("SAC over JAX, one seed", "at least 5", per("rlc sac", "jax sac"), "%.2f")
      line("ReMAC over JAX, one seed", "at least 5", per("rlc remac", "jax remac"), "%.2f")
      line("SAC over JAX, 100 seeds", "at least 2", per("rlc sac x100 seeds", "jax sac x100 seeds"), "%.2f")
    }' "$rows"
}

table() {
  echo "| system | case | us an update | updates/s | GFLOP/s | updates | rounds | |"
  echo "|---|---|---:|---:|---:|---:|---:|---|"
  awk -F'\t' '
    $3 + 0 > 0 { printf "| %s | %s | %.2f | %.0f | %s | %d | %d | %s |\n", $1, $2, 1e6 / $3, $3, ($6 + 0 > 0 ? sprintf("%.0f", $3 * $6 / 1e3) : ""), $4, $5, $7; next }
    { printf "| %s | %s | %s | | | | | %s |\n", $1, $2, $3, $7 }' "$rows"
}

head_lines() {
  echo "# Updates on a GPU, $(date +%Y-%m-%d)"
  echo
  echo "- card: ${card:-none that nvidia-smi knows} (name, driver, highest clock of multiprocessors and of memory); after the first program: ${clock:-not known}"
  echo "- host: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) processors, $(uname -sr)"
  echo "- commit: $(made commit); programs for $(made march)${tiny:+, the smallest sizes, for tests: compare nothing}"
  echo "- command: \`SECONDS_EACH=$SECONDS_EACH tools/gpu_bench.sh build/gpu/bench\`, $(($(date +%s) - began)) s; what each row means: bench/README.md of rlc"
  made case | sed 's/^\([a-z-]*\) \([0-9]*\) /- \1, seeds at once \2: rlc compile /'
  awk -F'\t' '{ n[($3 + 0 > 0 ? "measured" : $3)]++ }
    END { printf "- rows: %d measured, %d not found, %d not measured\n", n["measured"], n["not found"], n["not measured"] }' "$rows"
  echo
}

{ head_lines; figures; echo; table; } >"$work/page"
if [ -n "$card" ] && [ -z "$tiny" ]; then
  record=$RESULTS/gpu-$(date +%Y-%m-%d).md
  [ ! -e "$record" ] || record=${record%.md}-$(date +%H%M).md
  mkdir -p "$RESULTS"
  cp "$work/page" "$record"
  echo "written to $record" >&2
fi
cat "$work/page"
[ "$(grep -c '^rlc	[a-z0-9 ]*	[0-9]' "$rows")" = "$(made case | wc -l)" ]
