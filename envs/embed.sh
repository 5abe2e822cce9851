#!/bin/sh
# Turns a text file into a C header holding it as a string: a trainer carries its models along.
#   envs/embed.sh envs/models/hopper.xml > build/envs/models/hopper.xml.h     defines model_hopper[]
set -eu

if [ $# -ne 1 ] || [ ! -r "$1" ]; then
  echo "usage: $0 FILE > HEADER" >&2
  exit 2
fi
name=$(basename "$1" | sed 's/\..*//; s/[^A-Za-z0-9_]/_/g')
echo "/* Made from $1 by envs/embed.sh. */"
echo "static const char model_${name}[] ="
sed 's/\\/\\\\/g; s/"/\\"/g; s/^/  "/; s/$/\\n"/' "$1"
echo "  ;"
