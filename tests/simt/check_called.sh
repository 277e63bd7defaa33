#!/bin/bash
# The rows of kernels.h against the rows that the tests of this folder called: both lists must be the same. The encoder's
# rows in f32 and bf16, those of wide type in f32. Runs after those tests.
# usage: check_called.sh KERNELS_H CALLED
set -eu
[ -s "$2" ] || { echo "no test of tests/simt has run: nothing to compare"; exit 77; }
want=$(awk '/#define FR_TRUNK_KERNELS/ { trunk = 1 } /#define FR_WIDE_KERNELS/ { trunk = 0; wide = 1 }
    /#define FR_KERNELS\(/ { exit }
    (trunk || wide) && match($0, /X\([a-z_0-9]+/) {
        name = substr($0, RSTART + 2, RLENGTH - 2)
        print "f32 " name
        if (trunk) print "bf16 " name
    }' "$1" | sort -u)
got=$(sort -u "$2")
[ "$(wc -l <<<"$want")" -gt 40 ] || { echo "$1: only these rows were found: $want"; exit 1; }
if difference=$(diff <(echo "$want") <(echo "$got")); then
    echo "$(wc -l <<<"$got") rows, all called; none called that is no row"
else
    echo "rows that no test called (<), and called ones that are no rows (>); were all tests of tests/simt run?"
    echo "$difference"
    exit 1
fi
