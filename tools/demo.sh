#!/bin/sh
# `make demo`: compiles specs/remac.yaml for HalfCheetah-v5, trains for two minutes, evaluates, and says where the curves are. The networks are
# 64 wide here, so that two minutes on two cores show learning; the spec's own width is 256.
#   tools/demo.sh BUILD [MINUTES]
set -eu
build=$1
minutes=${2:-2}
out=runs/demo-$(date +%Y%m%d-%H%M%S)
"$build/rlc" compile specs/remac.yaml hidden=64 -o "$build/remac"
"$build/remac" --steps 1000000 --seed 1 --threads "$(nproc)" --minutes "$minutes" --eval-every 5000 --out "$out"
echo
echo "the policy, before and after (mean return of 10 episodes, deterministic):"
awk -F, 'NR == 2 { printf "  step %7d  %9.1f\n", $1, $2 } { last = $0 } END { split(last, v, ","); printf "  step %7d  %9.1f\n", v[1], v[2] }' "$out/evaluations.csv"
echo "curves:      $out/progress.csv  $out/evaluations.csv  (TensorBoard: $out)"
echo "go on:       $build/remac --resume $out --threads $(nproc)"
