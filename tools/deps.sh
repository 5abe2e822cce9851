#!/bin/sh
# Finds what the build needs, installs what is missing, and writes build/deps.mk for the Makefile.
#
#   tools/deps.sh            what `make deps` runs
#   MUJOCO_DIR=/some/dir     use this MuJoCo: a release's folder, with include/ and lib/
#
# Debian packages are installed with apt-get (through sudo when not root). MuJoCo comes from
# $MUJOCO_DIR, from the official wheel (unpacked under build/mujoco), or from Debian's
# libmujoco-dev, in that order. Where something cannot be had, the script ends with status 1 and the
# command to run by hand.
set -eu

MUJOCO_WHEEL=3.3.7 # the version tests/golden was recorded with
BUILD=build
MUJOCO_HOME=$BUILD/mujoco

say() { echo "deps: $*"; }

fail() {
  say "cannot go on: $1"
  say "run by hand:  $2"
  exit 1
}

apt() {
  if [ "$(id -u)" -eq 0 ]; then
    DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"
  else
    sudo DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"
  fi
}

apt_install() {
  by_hand="sudo apt-get update && sudo apt-get install -y $*"
  say "installing with apt-get: $*"
  command -v apt-get >/dev/null || fail "there is no apt-get here" "install these or their like: $*"
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    fail "not root, and no sudo" "$by_hand"
  fi
  if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then
    apt update || fail "the package lists cannot be fetched" "$by_hand"
  fi
  # Lists may be there and out of date.
  apt install "$@" || { apt update && apt install "$@"; } || fail "apt-get failed" "$by_hand"
}

# True when the compiler finds the header $1 (with the options after it).
has_header() {
  header=$1
  shift
  echo "#include <$header>" | cc -E "$@" - >/dev/null 2>&1
}

find_packages() {
  missing=""
  command -v gcc >/dev/null && command -v cc >/dev/null || missing="$missing gcc libc6-dev"
  command -v make >/dev/null || missing="$missing make"
  command -v pkg-config >/dev/null || missing="$missing pkg-config"
  if [ -z "$missing" ]; then
    has_header stdio.h || missing="$missing libc6-dev"
    has_header yaml.h || missing="$missing libyaml-dev"
    has_header check.h || missing="$missing check"
    has_header microhttpd.h || missing="$missing libmicrohttpd-dev"
  else
    missing="$missing libyaml-dev check libmicrohttpd-dev"
  fi
  # Not to build: figures of a study's report, which says so where there are none.
  command -v gnuplot >/dev/null || missing="$missing gnuplot-nox"
  command -v llvm-config-19 >/dev/null || missing="$missing llvm-19-dev"
  # shellcheck disable=SC2086 # a list of words
  [ -z "$missing" ] || apt_install $missing
}

# The version, as 3.3.7, that the headers in folder $1 are of; nothing when there are none.
header_version() {
  [ -r "$1/mujoco/mujoco.h" ] || return 0
  sed -n 's/^#define mjVERSION_HEADER \([0-9]*\).*/\1/p' "$1/mujoco/mujoco.h" | awk '{
    scale = $1 < 10000 ? 10 : 1000
    printf "%d.%d.%d\n", $1 / (scale * scale), int($1 / scale) % scale, $1 % scale
  }'
}

# Takes MuJoCo with headers in $1 and its library in one of the folders after it.
use_mujoco() {
  version=$(header_version "$1")
  [ -n "$version" ] || return 1
  include=$1
  shift
  for folder in "$@"; do
    if [ -e "$folder/libmujoco.so.$version" ]; then
      MUJOCO_INC=$(cd "$include" && pwd)
      MUJOCO_LIB_DIR=$(cd "$folder" && pwd)
      MUJOCO_VERSION=$version
      return 0
    fi
  done
  return 1
}

use_debian() {
  # shellcheck disable=SC2046 # one folder per word
  use_mujoco /usr/include /usr/lib/*-linux-gnu /usr/lib /usr/local/lib
}

# The official wheel carries the library and the headers. Python is not used otherwise, so that the
# wheel for any of its versions will do; this one exists.
fetch_wheel() {
  command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || return 1
  say "fetching MuJoCo $MUJOCO_WHEEL with pip into $MUJOCO_HOME"
  rm -rf "$MUJOCO_HOME"
  mkdir -p "$MUJOCO_HOME"
  python3 -m pip -q --disable-pip-version-check download --no-deps --only-binary :all: \
    --python-version 3.11 --implementation cp --abi cp311 \
    -d "$MUJOCO_HOME" "mujoco==$MUJOCO_WHEEL" || return 1
  python3 -m zipfile -e "$MUJOCO_HOME"/mujoco-*.whl "$MUJOCO_HOME/wheel" || return 1
  mv "$MUJOCO_HOME/wheel/mujoco/include" "$MUJOCO_HOME/include" || return 1
  mkdir "$MUJOCO_HOME/lib"
  mv "$MUJOCO_HOME"/wheel/mujoco/libmujoco.so.* "$MUJOCO_HOME/lib/" || return 1
  rm -rf "$MUJOCO_HOME/wheel" "$MUJOCO_HOME"/mujoco-*.whl
}

find_mujoco() {
  if [ -n "${MUJOCO_DIR:-}" ]; then
    use_mujoco "$MUJOCO_DIR/include" "$MUJOCO_DIR/lib" "$MUJOCO_DIR" && return
    fail "MUJOCO_DIR=$MUJOCO_DIR has no include/mujoco/mujoco.h with its library" "unset MUJOCO_DIR"
  fi
  if [ "$(header_version "$MUJOCO_HOME/include")" = $MUJOCO_WHEEL ] || fetch_wheel; then
    use_mujoco "$MUJOCO_HOME/include" "$MUJOCO_HOME/lib" && return
  fi
  say "the wheel cannot be had; taking Debian's MuJoCo"
  use_debian && return
  apt_install libmujoco-dev
  use_debian || fail "no MuJoCo" "set MUJOCO_DIR to a release from its makers, unpacked"
}

write_makefile() {
  {
    echo "# Written by tools/deps.sh."
    echo "MUJOCO_INC := $MUJOCO_INC"
    echo "MUJOCO_LIB_DIR := $MUJOCO_LIB_DIR"
    echo "MUJOCO_VERSION := $MUJOCO_VERSION"
    echo "LLVM_CFLAGS := -isystem $(llvm-config-19 --includedir)"
    echo "LLVM_LIBS := -L$(llvm-config-19 --libdir) $(llvm-config-19 --libs)"
  } >"$BUILD/deps.mk.new"
  # An unchanged file keeps its time, so that nothing is rebuilt for it.
  if cmp -s "$BUILD/deps.mk.new" "$BUILD/deps.mk"; then
    rm "$BUILD/deps.mk.new"
  else
    mv "$BUILD/deps.mk.new" "$BUILD/deps.mk"
  fi
}

cd "$(dirname "$0")/.."
mkdir -p "$BUILD"
find_packages
find_mujoco
write_makefile
say "ready: MuJoCo $MUJOCO_VERSION in $MUJOCO_LIB_DIR; LLVM $(llvm-config-19 --version)"
