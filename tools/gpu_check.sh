#!/bin/sh
# `make gpu-check`: every spec on a GPU against the oracle, and the memory checker on the small ones.
#   tools/gpu_check.sh pack DIR [WORD]   where rlc was built: trainers for a GPU and the oracle's logs of the same runs, into DIR; of specs
#                                        whose path contains WORD. Needs no card.
#   tools/gpu_check.sh run DIR           where the card is: runs them and prints the table last. DIR needs nothing of this repository.
# RLC_ARCH is the architecture to compile for (sm_90). A spec without a line "# test:" has no size at which the oracle is quick enough.
set -eu
steps=48 tolerance=1e-3
options="--steps $steps --log-every 1 --eval-episodes 1 --eval-every 0 --seed 3 --quiet"

# NAME SPEC SIZES: a trainer and the oracle's log.
pack_one() {
  rm -rf "$dir/$1.oracle"
  # shellcheck disable=SC2086
  "$rlc" compile "$2" $3 --target cuda --march "${RLC_ARCH:-sm_90}" -o "$dir/$1" >/dev/null
  # shellcheck disable=SC2086
  "$rlc" train "$2" $3 --target oracle -- $options --out "$dir/$1.oracle"
  mv "$dir/$1.oracle/progress.csv" "$dir/$1.csv"
  rm -rf "$dir/$1.oracle"
  echo "$1" >>"$dir/specs"
  echo "packed $2 as $1"
}

pack() {
  dir=$1 word=${2:-}
  rlc=${RLC:-build/rlc}
  mkdir -p "$dir"
  : >"$dir/specs"
  # Trainers look for MuJoCo beside themselves first.
  cp -L "$(sed -n 's/^MUJOCO_LIB_DIR := //p' build/deps.mk)"/libmujoco.so.* "$dir/"
  for spec in $(find specs -name '*.yaml' ! -path 'specs/studies/*' ! -path 'specs/envs/*' | sort); do
    case $spec in *"$word"*) ;; *) continue ;; esac
    sizes=$(sed -n 's/^# test: *//p' "$spec" | head -1)
    [ -n "$sizes" ] || continue
    name=$(echo "${spec#specs/}" | sed 's|/|.|g; s|\.yaml$||')
    pack_one "$name" "$spec" "$sizes"
    # What is as small as that runs on no matrix instructions.
    [ "$spec" = specs/sac.yaml ] || continue
    for precision in bf16 tf32; do pack_one "$name.$precision" "$spec" "$sizes hidden=64 batch_size=64 precision=$precision"; done
  done
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

run() {
  cd "$1"
  start=$(date +%s) failed=0 skipped=0 table=$(mktemp)
  checker=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
  [ -x "$checker" ] || checker=
  while read -r name; do
    rm -rf "run.$name"
    # shellcheck disable=SC2086
    if "./$name" $options --out "run.$name" 2>said; then
      set -- $(compare "$name.csv" "run.$name/progress.csv")
      verdict=$(awk -v d="$1" -v n="$2" -v t="$tolerance" 'BEGIN { print (n > 0 && d != "inf" && d + 0 <= t) ? "ok" : "FAILED" }')
    else
      set -- - 0
      verdict=FAILED
      sed 's/^/    /' said
    fi
    [ "$verdict" = ok ] || failed=$((failed + 1))
    memory="not checked"
    if [ -n "$checker" ] && [ $(($(date +%s) - start)) -lt 300 ]; then
      rm -rf "memory.$name"
      if "$checker" --error-exitcode 9 "./$name" --steps 12 --eval-episodes 1 --eval-every 0 --quiet --out "memory.$name" >said 2>&1; then
        memory=clean
      else
        memory=FAILED failed=$((failed + 1))
        tail -20 said | sed 's/^/    /'
      fi
    else
      skipped=$((skipped + 1))
    fi
    printf '%-28s %-8s %10s %8s  %s\n' "$name" "$verdict" "$1" "$2" "$memory" >>"$table"
    rm -rf "run.$name" "memory.$name"
  done <specs
  [ -n "$checker" ] || echo "SKIP: the memory checker (compute-sanitizer) is not here"
  command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,clocks.max.sm --format=csv,noheader
  printf '%-28s %-8s %10s %8s  %s\n' spec verdict apart losses memory
  cat "$table"
  echo "$(wc -l <specs) specs, $failed failed, $skipped without the memory checker, $(($(date +%s) - start)) s"
  rm -f "$table" said
  [ "$failed" = 0 ]
}

case ${1:-} in
pack) pack "$2" "${3:-}" ;;
run) run "$2" ;;
*) sed -n '2,7p' "$0" && exit 2 ;;
esac
