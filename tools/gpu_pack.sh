#!/bin/sh
# Makes what tools/gpu_bench.sh measures, where rlc was built and NVRTC is: `make gpu-bench-pack`. Nothing of what it makes needs LLVM,
# libyaml or the compiler where the card is; MuJoCo's library goes along.
#
#   tools/gpu_pack.sh
#   BUILD=build PACK=build/gpu/bench   where rlc was built, and the folder that is made; an older pack there stays until this one is complete
#   MARCH=sm_89                        of the card; without it that of the card here, else sm_90. The programs hold PTX for later ones too
#   TINY=1                             the smallest sizes, for tests: nothing to be compared
set -eu

cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
target=${PACK:-build/gpu/bench}
target=${target%/}
CC=${CC:-gcc}

[ -x "$BUILD/rlc" ] || { echo "error: $BUILD/rlc is not there: make build" >&2; exit 1; }

[ ! -e "$target" ] || grep -qx 'kind: bench' "$target/made" 2>/dev/null || { echo "error: $target is not what $0 makes: name another folder" >&2; exit 1; }

# One case a line: name, how many seeds are measured together, and what `rlc compile` is given.
cases() {
  if [ -n "${TINY:-}" ]; then
    small="env=Pendulum-v1 hidden=16 batch_size=8 warmup=2 replay.capacity=10000"
    echo "sac 1 specs/sac.yaml $small"
    echo "remac 1 specs/remac.yaml M=4 K=2 $small"
    echo "sac-seeds 3 specs/sac.yaml $small"
    echo "reppo 1 specs/reppo.yaml env.id=Pendulum-v1 env.count=4 steps=4 minibatches=2 epochs=2 hidden=8 bins=11 draws=3 vmin=-20 vmax=5"
  else
    echo "sac 1 specs/sac.yaml"
    echo "remac 1 specs/remac.yaml M=16 K=4"
    echo "reppo 1 specs/reppo.yaml"
    echo "sac-seeds 100 specs/sac.yaml replay.capacity=100000"
    echo "remac-seeds 100 specs/remac.yaml M=16 K=4 replay.capacity=100000"
  fi
}

mkdir -p "$(dirname "$target")"
PACK=$(mktemp -d "$target.XXXXXX")
chmod 755 "$PACK"
home=$(mktemp -d)
trap 'rm -rf "$home" "$PACK"' EXIT
trap 'exit 1' HUP INT TERM

# A trainer is its module and the archive that lies beside rlc. In this archive rlc_main measures instead of training.
ln -s "$PWD" "$home/include"
cp "$BUILD/librlc_runtime.a" "$home/librlc_runtime.a"
# Words of CC are a command and its arguments.
# shellcheck disable=SC2086
$CC -std=gnu11 -O2 -Wall -Wextra -Werror -I. -c -o "$home/updates.o" bench/gpu/updates.c
ar d "$home/librlc_runtime.a" main.o
measure=$BUILD/compiler/measure
ar rs "$home/librlc_runtime.a" "$home/updates.o" "$BUILD/ir/base.o" "$measure/peak.o" "$measure/watch.o" "$measure"/bench_*.o 2>/dev/null

set -f # words of a case are arguments as they stand
cases | while read -r name _ arguments; do
  # shellcheck disable=SC2086
  said=$(RLC_HOME=$home "$BUILD/rlc" compile $arguments --target cuda ${MARCH:+--march "$MARCH"} -o "$PACK/$name")
  echo "$said"
  echo "$said" | sed -n 's/.* by NVRTC \([0-9.]*\),.*/needs: a driver of CUDA >= \1/p' >"$home/needs"
  strange=$(ldd "$PACK/$name" | awk '{ print $1 }' | grep -Ev '^(linux-vdso|libc|libm|libpthread|libdl)\.so|^/.*/ld-linux' || true)
  [ -z "$strange" ] || { echo "error: $PACK/$name needs more than the C library: $strange" >&2; exit 1; }
done

set +f
# What measures goes along.
mkdir "$PACK/peers"
cp tools/gpu_bench.sh "$PACK/"
cp bench/peers/*.py bench/peers/requirements.txt "$PACK/peers/"
# shellcheck disable=SC2086
$CC -std=gnu11 -O2 -Wall -Wextra -Werror -o "$PACK/cublas" bench/peers/gpu_cublas.c -ldl -lm
# Trainers look for MuJoCo beside themselves first.
[ -n "${TINY:-}" ] || cp -L "$(sed -n 's/^MUJOCO_LIB_DIR := //p' build/deps.mk)"/libmujoco.so.* "$PACK/"
{
  echo "kind: bench"
  cases | sed 's/^/case: /'
  echo "commit: $(git rev-parse HEAD 2>/dev/null || echo unknown)$(git diff --quiet HEAD -- 2>/dev/null || echo " with changes that are not committed")"
  echo "march: ${MARCH:-the card where they were made, or sm_90}"
  cat "$home/needs"
  [ -z "${TINY:-}" ] || echo "tiny: yes"
} >"$PACK/made"
rm -rf "$target"
mv "$PACK" "$target"
du -sh "$target" | sed 's/^/packed: /'
cat "$home/needs"
