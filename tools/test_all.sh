#!/bin/sh
# `make test-all`: everything that is too long for every change. Each part is printed; the first failure ends it, and the last line counts what
# was left out for want of a program.
set -eu
cd "$(dirname "$0")/.."
skipped=0
skip() {
  echo "SKIP: $1"
  skipped=$((skipped + 1))
}
echo "== sizes and format"
tools/size.sh
if command -v clang-format >/dev/null; then
  make --no-print-directory format-check
else
  skip "clang-format is not installed"
fi
echo "== long forms of the tests"
RLC_LONG=1 tests/run.sh build
echo "== generated C"
RLC_TARGET=c tests/run.sh build
echo "== address and undefined-behaviour sanitizers"
make --no-print-directory asan
echo "== thread sanitizer"
make --no-print-directory tsan
if command -v clang >/dev/null; then
  echo "== clang"
  make --no-print-directory BUILD=build/clang CC=clang -j"$(nproc)" build tests
  CC=clang tests/run.sh build/clang
else
  skip "clang is not installed"
fi
if [ -r /usr/include/mujoco/mujoco.h ]; then
  echo "== Debian's MuJoCo"
  lib=$(dirname "$(ls /usr/lib/*/libmujoco.so.2.2.2 | head -1)")
  make --no-print-directory BUILD=build/mujoco-debian MUJOCO_INC=/usr/include MUJOCO_LIB_DIR="$lib" MUJOCO_VERSION=2.2.2 -j"$(nproc)" build tests
  tests/run.sh build/mujoco-debian env_test env_golden_test env_model_test trainer_test
else
  skip "Debian's MuJoCo is not installed"
fi
echo "== studies on clusters"
if ! tests/cluster_test.sh build >build/cluster.log 2>&1; then
  cat build/cluster.log
  exit 1
fi
cat build/cluster.log
skipped=$((skipped + $(grep -c '^SKIP' build/cluster.log || true)))
echo "== every spec on every target"
for spec in $(find specs -name '*.yaml' | sort); do
  build/rlc check "$spec" >/dev/null
  build/rlc compile "$spec" -o build/all_specs >/dev/null
  build/rlc compile "$spec" --target c -o build/all_specs >/dev/null
  echo "compiled $spec"
done
echo "all passed, $skipped parts skipped"
