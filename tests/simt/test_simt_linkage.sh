#!/bin/bash
# A kernel template with external linkage shares its static shared memory between object files, and AddressSanitizer
# does not watch such variables: every kernel that has shared memory is static.
# usage: test_simt_linkage.sh PROGRAM
found=$(nm -C "$1" | awk '$2 == "simt_shared_begin" || $3 == "simt_shared_begin" { print }')
[ -n "$found" ] || { echo "$1 has no simt_shared_begin"; exit 1; }
read -r begin _ <<<"$found"
read -r end _ <<<"$(nm -C "$1" | grep ' simt_shared_end$')"
nm -C "$1" | awk -v begin="$begin" -v end="$end" '
    $2 ~ /^[uvVwW]$/ && $1 >= begin && $1 < end { $1 = $2 = ""; print "shared memory of a kernel that is not static:" $0; bad = 1 }
    END { exit bad }'
