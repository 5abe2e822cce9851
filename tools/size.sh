#!/bin/sh
# Fails when a source file has more than 600 lines or a function more than 60: `make size`.
set -u
bad=0
for file in $(git ls-files '*.c' '*.h' '*.def'); do
  lines=$(wc -l <"$file")
  if [ "$lines" -gt 600 ]; then
    echo "$file: $lines lines"
    bad=1
  fi
done
# A function opens at column 0 with a line ending in "{" and closes with "}" at column 0.
for file in $(git ls-files '*.c'); do
  awk -v file="$file" '
    /^[A-Za-z_].*\) \{$/ || (/^[A-Za-z_ ].*\{$/ && previous ~ /^[A-Za-z_].*[,(]$/) { start = NR; name = $0 }
    /^}/ { if (start && NR - start + 1 > 60) { print file ":" start ": " NR - start + 1 " lines: " name; bad = 1 } start = 0 }
    { previous = $0 }
    END { exit bad }' "$file" || bad=1
done
[ "$bad" = 0 ] && echo "no file over 600 lines, no function over 60"
exit "$bad"
