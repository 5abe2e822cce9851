#!/bin/sh
# Makes what the peers need, under build/: the virtual environment build/venv-peers after requirements.txt (6 GB, most of it
# CUDA packages that PyTorch's wheel asks for), rlc's peak loop and the OpenBLAS caller as libraries in build/peers.
# What is there and newer than its source is kept.
#
#   bench/peers/setup.sh
#   BUILD=build PYTHON=python3
#   VENV=build/venv-peers              another folder for the environment, which several checkouts can share
set -eu

cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
venv=${VENV:-build/venv-peers}
out=build/peers
here=bench/peers

if ! cmp -s $here/requirements.txt $venv/requirements.txt; then
  "${PYTHON:-python3}" -m venv $venv
  $venv/bin/pip install --disable-pip-version-check --quiet -r $here/requirements.txt
  cp $here/requirements.txt $venv/requirements.txt
fi

mkdir -p $out
# The objects are position-independent, so the archive can become part of a library.
${CC:-gcc} -shared -o $out/librlc_peak.so "$BUILD/compiler/measure/peak.o" "$BUILD/librlc_runtime.a" -lpthread -lm -ldl

blas() { $venv/bin/python -c "import scipy_openblas32 as blas; print(blas.get_$1())"; }
library=$(blas lib_dir)
${CC:-gcc} -std=gnu11 -O2 -Wall -Wextra -fPIC -shared -I"$(blas include_dir)" -o $out/openblas_gemm.so $here/openblas_gemm.c \
  -L"$library" -Wl,-rpath,"$library" -lscipy_openblas
