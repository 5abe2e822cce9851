#!/bin/sh
# `make gpu-check`: every spec on a GPU against the oracle, against itself, and under NVIDIA's checkers. Two halves:
#   tools/gpu_check.sh pack DIR [WORD...]  where rlc was built: trainers for a GPU, the oracle's logs of the same runs and this script, into DIR;
#                                          of specs whose path contains one of the words. Needs no card. MARCH is the card's architecture, as
#                                          sm_89; without it that of the card here, else sm_90.
#   tools/gpu_check.sh run DIR             where the card is: runs them and prints the table last, in eight minutes at most. DIR needs nothing of
#                                          this repository, and nothing is fetched. JOBS (4) is how many go at once, MOST (450) seconds in all.
# Status 1: something failed, or nothing could be run.
# Columns of the table, in the order of their importance; the last ones are left out where time is short:
#   oracle     the first 20 values of each loss are the oracle's; must be done of every spec, or the check has failed
#   seeds      what three seeds at once log, and the parameters at the end, are to the bit those of each seed alone (of some)
#   twice      those of two runs of the same seed are
#   racecheck, synccheck, memcheck   compute-sanitizer has nothing to say (the first two: of some)
# A spec without a line "# test:" has no size at which the oracle is quick enough.
set -eu
self=$(cd "$(dirname "$0")" && pwd)/gpu_check.sh
steps=48 tolerance=1e-3
options="--log-every 1 --eval-episodes 1 --eval-every 0 --quiet"

# For what takes long, one of each kind: whole tiles, tiles in parts that warps of a block share, matrix instructions of both kinds, columns that
# warps share, sorts, scans
# over a rollout, several environments, windows, priorities and a column that are written back, an environment that is programs.
chosen="sac sac.float32 sac.tf32 sac.bf16 sac.rows.tf32 remac ppo dqn fasttd3 d4pg_priority qmle.pendulum analytic_pendulum"

# ---- packing ----

# NAME SPEC [SIZE...]: a trainer and the oracle's log.
pack_one() {
  name=$1 spec=$2
  shift 2
  said=$("$rlc" compile "$spec" "$@" --target cuda ${MARCH:+--march "$MARCH"} -o "$dir/$name")
  echo "$said" | sed -n 's/.* by NVRTC \([0-9.]*\),.*/needs: a driver of CUDA >= \1/p' >"$dir/$name.needs"
  strip "$dir/$name" # what a debugger wants is most of it
  gzip -n "$dir/$name"
  # shellcheck disable=SC2086
  "$rlc" train "$spec" "$@" --target oracle -- $options --steps $steps --seed 3 --out "$dir/$name.oracle"
  mv "$dir/$name.oracle/progress.csv" "$dir/$name.csv"
  rm -rf "$dir/$name.oracle"
  echo "packed $spec as $name"
}

# Lines of pack_one's arguments.
specs() {
  for spec in $(find specs -name '*.yaml' ! -path 'specs/studies/*' ! -path 'specs/envs/*' | sort); do
    wanted=$([ $# -gt 0 ] || echo yes)
    for word; do case $spec in *"$word"*) wanted=yes ;; esac; done
    sizes=$(sed -n 's/^# test: *//p' "$spec" | head -1)
    if [ -z "$wanted" ] || [ -z "$sizes" ]; then continue; fi
    name=$(echo "${spec#specs/}" | sed 's|/|.|g; s|\.yaml$||')
    echo "$name $spec $sizes"
    # What is as small as that runs on no matrix instructions, and no sum is in parts.
    [ "$spec" = specs/sac.yaml ] || continue
    for precision in float32 bf16 tf32; do echo "$name.$precision $spec $sizes hidden=64 batch_size=64 precision=$precision"; done
    # Columns that warps of a block share are for many rows; here the last ones fill no block.
    for precision in bf16 tf32; do echo "$name.rows.$precision $spec $sizes hidden=64 batch_size=8200 precision=$precision"; done
  done
}

pack() {
  export rlc="${RLC:-build/rlc}" dir self
  target=${1%/}
  shift
  [ ! -e "$target" ] || grep -qx 'kind: check' "$target/made" 2>/dev/null || { echo "error: $target is not what $0 makes: name another folder" >&2; exit 1; }
  for word; do
    [ -n "$(specs "$word")" ] || { echo "error: no spec that can be packed has '$word' in its path" >&2; exit 1; }
  done
  mkdir -p "$(dirname "$target")"
  dir=$(mktemp -d "$target.XXXXXX") # an older pack stays until this one is complete
  chmod 755 "$dir"
  trap 'rm -rf "$dir"' EXIT
  trap 'exit 1' HUP INT TERM
  cp "$self" "$dir/"
  specs "$@" >"$dir/specs"
  xargs -P "$(nproc)" -I'{}' sh -c 'sh "$self" pack-one {}' <"$dir/specs"
  # Trainers look for MuJoCo beside themselves first.
  cp -L "$(sed -n 's/^MUJOCO_LIB_DIR := //p' build/deps.mk)"/libmujoco.so.* "$dir/"
  gzip -n "$dir"/libmujoco.so.*
  changed=$(git diff --quiet HEAD -- 2>/dev/null || echo ", with changes that are not committed")
  {
    echo "kind: check"
    echo "commit: $(git rev-parse HEAD 2>/dev/null || echo unknown)$changed; for ${MARCH:-the card where it was made, or sm_90}"
    sort -u "$dir"/*.needs
  } >"$dir/made"
  rm "$dir"/*.needs
  rm -rf "$target"
  mv "$dir" "$target"
  du -sh "$target" | sed 's/^/packed: /'
  grep '^needs: ' "$target/made"
}

# ---- one check of one spec ----

# COLUMN WORD [WHY]: an entry of the table, and the reason at once, with the end of what was said.
tell() {
  echo "$2" >"$work/table/$name.$1"
  [ -n "${3:-}" ] || return 0
  { echo "$name, $1: $3"; [ ! -s "$said" ] || tail -15 "$said" | sed 's/^/    /'; } >&2
}

left() { echo $((began + most - $(date +%s))); }

# LIMIT COMMAND...: its status, 124 where it took longer, or longer than there is time.
go() {
  limit=$1
  shift
  [ "$limit" -le "$(left)" ] || limit=$(left)
  [ "$limit" -gt 0 ] || return 124
  status=0
  timeout -k 2 "$limit" "$@" >"$said" 2>&1 </dev/null || status=$?
  [ "$status" != 137 ] || status=124
  return "$status"
}

# OUT [OPTION...]: a run into a folder of that name.
train() {
  out=$work/runs/$name.$1
  shift
  rm -rf "$out"
  # shellcheck disable=SC2086
  go 60 "$work/bin/$name" $options --steps "$steps" --out "$out" "$@"
}

# COLUMN STATUS: why a run gave nothing to compare. One that time was too short for says nothing of rlc.
broken() {
  if [ "$2" != 124 ]; then
    tell "$1" FAILED "status $2"
  elif [ "$(left)" -gt 0 ]; then
    tell "$1" FAILED "took longer than a minute"
  else
    tell "$1" "no time"
  fi
}

# How many losses a log holds.
losses() {
  awk -F, 'FNR == 1 { for (i = 1; i <= NF; i++) loss[i] = ($i ~ /^losses\//); next }
    { for (i = 1; i <= NF; i++) count += loss[i] && $i != "" }
    END { print count + 0 }' "$1/progress.csv" 2>/dev/null || echo 0
}

# The largest difference of a loss, relative to one more than its size, and how many losses were compared: the first 20 values of each. Later
# ones tell of the algorithm: the importance weights of the camel's back drift apart by 5 % in 40 steps on any two machines of single precision.
compare() {
  awk -F, '
    FNR == 1 { for (i = 1; i <= NF; i++) loss[i] = ($i ~ /^losses\//); next }
    NR == FNR { for (i = 1; i <= NF; i++) seen[FNR, i] = $i; lines = FNR; next }
    { for (i = 1; i <= NF; i++) if (loss[i]) {
        if ((seen[FNR, i] == "") != ($i == "")) { worst = "inf"; next }
        if ($i == "" || ++values[i] > 20) continue
        d = seen[FNR, i] - $i; if (d < 0) d = -d
        s = $i < 0 ? -$i : $i; d /= 1 + s
        if (!(d <= worst)) worst = d
        count++ } }
    END { if (FNR != lines) worst = "inf"; printf "%s %d", worst + 0 == worst ? sprintf("%.1e", worst) : worst, count }
  ' "$1" "$2"
}

# A log without columns of wall time.
timeless() {
  awk -F, 'FNR == 1 { for (i = 1; i <= NF; i++) timed[i] = ($i ~ /^time\// || $i == "charts/SPS") }
    { for (i = 1; i <= NF; i++) if (!timed[i]) printf "%s,", $i; print "" }' "$1/progress.csv"
}

# The parameters and optimisers at a run's end.
tensors() {
  for last in "$1"/checkpoints/*.safetensors; do :; done
  echo "$last"
}

# Whether two runs are the same to the bit in what they logged and in what they ended with.
same() {
  [ "$(losses "$1")" -gt 0 ] || return 1
  timeless "$1" >"$1/timeless"
  timeless "$2" | cmp -s "$1/timeless" - || return 1
  cmp -s "$(tensors "$1")" "$(tensors "$2")"
}

check_oracle() {
  gunzip -c "$pack/$name.gz" >"$work/bin/$name"
  chmod +x "$work/bin/$name"
  train first --seed 3 || { broken oracle $?; return 0; }
  # shellcheck disable=SC2046
  set -- $(compare "$pack/$name.csv" "$work/runs/$name.first/progress.csv")
  echo "$1 $2" >"$work/table/$name.apart"
  if awk -v d="$1" -v n="$2" -v t="$tolerance" 'BEGIN { exit !(n > 0 && d ~ /^[0-9]/ && d + 0 <= t) }'; then
    tell oracle ok
  else
    : >"$said"
    tell oracle FAILED "$1 apart, of $2 losses"
  fi
}

check_twice() {
  train again --seed 3 || { broken twice $?; return 0; }
  : >"$said"
  if same "$work/runs/$name.first" "$work/runs/$name.again"; then tell twice ok; else tell twice FAILED "two runs of a seed differ"; fi
}

check_seeds() {
  train seeds --seed 3 --seeds 3 || { broken seeds $?; return 0; }
  for seed in 3 4 5; do
    alone=first
    [ "$seed" = 3 ] || { alone=alone; train alone --seed "$seed" || { broken seeds $?; return 0; }; }
    : >"$said"
    same "$work/runs/$name.$alone" "$work/runs/$name.seeds/seed-$seed" || { tell seeds FAILED "seed $seed of three is not what it is alone"; return 0; }
  done
  tell seeds ok
}

# TOOL [OPTION...]: clean is a run that ended well, computed losses, and of which the tool says that there is nothing; at whatever level.
sanitize() {
  tool=$1
  shift
  out=$work/runs/$name.$tool
  rm -rf "$out"
  status=0
  # shellcheck disable=SC2086
  go 120 "$checker" --tool "$tool" "$@" --error-exitcode 9 "$work/bin/$name" $options --steps 20 --seed 3 --out "$out" || status=$?
  if [ "$status" = 124 ]; then
    tell "$tool" "too slow"
  elif [ "$status" != 0 ] || ! grep -Eq '^=+ (ERROR|RACECHECK) SUMMARY: 0 ' "$said"; then
    tell "$tool" FAILED "status $status"
  elif [ "$(losses "$out")" = 0 ]; then
    tell "$tool" FAILED "the run computed nothing"
  else
    tell "$tool" clean
  fi
  rm -rf "$out"
}

check() {
  what=$1 name=$2 said=$work/runs/$2.$1.said
  if [ "$what" != oracle ]; then
    [ -d "$work/runs/$name.first/checkpoints" ] || return 0 # it does not even run
    [ "$(left)" -gt 20 ] || { tell "$what" skipped; return 0; }
  fi
  case $what in
  memcheck) sanitize memcheck --leak-check full ;;
  racecheck | synccheck) sanitize "$what" ;;
  *) "check_$what" ;;
  esac
}

# ---- all of them ----

# COLUMN NAME...: checks one column of these.
column() {
  what=$1
  shift
  [ $# = 0 ] || printf '%s\n' "$@" | xargs -P "$jobs" -n 1 sh "$self" check-one "$what"
}

# What the pack says of itself.
made() { sed 1d "$pack/made"; }

# What the card is, as far as that can be said here.
card_words() {
  date '+%Y-%m-%d %H:%M'
  made
  find "$work/runs" -path '*.first/provenance.json' | head -1 | xargs -r sed -n 's/^ *"\(gpu[a-z_]*\)": "\(.*\)",$/\1: \2/p'
  [ -z "${RLC_CUDA_DRIVER:-}" ] || return 0 # something that plays a card
  nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,clocks.max.mem,clocks.sm,clocks.mem --format=csv 2>/dev/null || true
}

entry() { cat "$work/table/$1.$2" 2>/dev/null || echo -; }

row() { printf '%-34s %-8s %8s %6s  %-8s %-8s %-10s %-10s %s\n' "$@"; }

table() {
  row spec oracle apart losses seeds twice racecheck synccheck memcheck
  for name in $names; do
    # shellcheck disable=SC2046
    set -- $(entry "$name" apart)
    row "$name" "$(entry "$name" oracle)" "$1" "${2:--}" "$(entry "$name" seeds)" "$(entry "$name" twice)" "$(entry "$name" racecheck)" \
      "$(entry "$name" synccheck)" "$(entry "$name" memcheck)"
  done
}

# What would fail every spec alike is said once: no driver, no card, or one that the pack is not for.
probe() {
  first=${names%%
*} said=$work/said
  gunzip -c "$pack/$first.gz" >"$work/bin/$first"
  chmod +x "$work/bin/$first"
  # shellcheck disable=SC2086
  go 60 "$work/bin/$first" $options --steps 1 --out "$work/runs/probe" || true
  grep -E 'there is no CUDA driver|there is no GPU|cannot run this trainer' "$said" >&2 || return 0
  echo "Nothing was checked ($(made | head -1)). For another card: make gpu-pack MARCH=sm_NN" >&2
  exit 1
}

# How many entries of the table are one of these.
count() { cat "$work"/table/* | grep -Ecx "$1" || true; }

run() {
  kind=$(sed -n 's/^kind: //p' "$1/made" 2>/dev/null || true)
  [ "$kind" = check ] || { echo "error: $1 is ${kind:+a pack of kind '$kind', }not what '$0 pack' makes" >&2; exit 1; }
  [ -s "$1/specs" ] || { echo "error: $1 is not what '$0 pack' makes: it has no specs" >&2; exit 1; }
  for tool in awk cmp find gunzip timeout xargs; do
    command -v $tool >/dev/null || { echo "error: there is no $tool here" >&2; exit 1; }
  done
  export pack began most jobs work checker
  pack=$(cd "$1" && pwd) began=$(date +%s) most=${MOST:-450} jobs=${JOBS:-4}
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/bin" "$work/runs" "$work/table"
  checker=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
  [ -x "$checker" ] || checker=
  for library in "$pack"/libmujoco.so.*.gz; do gunzip -c "$library" >"$work/bin/$(basename "$library" .gz)"; done
  names=$(cut -d' ' -f1 "$pack/specs") few='' others=''
  for name in $names; do case " $chosen " in *" $name "*) few="$few $name" ;; *) others="$others $name" ;; esac; done
  probe
  # Words of a list are names.
  # shellcheck disable=SC2086
  {
    column oracle $names
    card_words >"$work/card" # while its clocks are still those of work
    column seeds $few
    column twice $few
    [ -z "$checker" ] || for what in racecheck synccheck memcheck; do column $what $few; done
    column twice $others
    [ -z "$checker" ] || column memcheck $others
  }
  [ -n "$checker" ] || echo "SKIP: compute-sanitizer is not here: no race, no barrier and no access was checked"
  failed=$(count 'FAILED') late=$(cat "$work"/table/*.oracle | grep -cx 'no time' || true)
  cat "$work/card"
  table
  echo "$(echo "$names" | wc -l) specs: $(count 'ok|clean') checks good, $failed failed," \
    "$(count 'skipped|too slow|no time') left out for want of time; $(($(date +%s) - began)) s"
  [ "$failed" = 0 ] && [ "$late" = 0 ]
}

case ${1:-} in
pack | run)
  command=$1
  shift
  [ $# -gt 0 ] || { echo "usage: $self $command DIR" >&2; exit 2; }
  "$command" "$@"
  ;;
pack-one) shift && pack_one "$@" ;;
check-one) check "$2" "$3" ;;
*) sed -n '2,15p' "$0" && exit 2 ;;
esac
