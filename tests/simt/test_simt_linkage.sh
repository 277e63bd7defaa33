#!/bin/bash
# Kernels are static: shared memory of a template with external linkage would be one for all object files,
# AddressSanitizer does not watch it, and in a build with CUDA nvcc's function of that name would come into the test
# programs. So a .cu file has no names for others but its rows.
# usage: test_simt_linkage.sh OBJECT...
[ $# -gt 0 ] || { echo "no objects"; exit 1; }
nm -C --defined-only "$@" | awk '
    /\.cu\.o:$/ { file = $0; sub(".*/", "", file); sub("\\.o:$", "", file); next }
    $2 !~ /^[TWVuBDRi]$/ { next }
    { name = $0; sub("^[^ ]+ . ", "", name) }
    name ~ /^(__odr_asan\.)?fr_[a-z0-9_]+_simt_(f32|bf16)$/ || name ~ /simt::|std::|atomic|^DW\.ref/ { rows++; next }
    $2 ~ /[TWi]/ { # members of structs are functions of the device, of which nvcc leaves the host none
        called = name; sub("\\(.*", "", called); gsub("<[^<>]*>", "", called)
        if (called ~ /::/) next
    }
    { print file ": not static: " name; bad = 1 }
    END { if (!rows) print "no rows found"; exit bad || !rows }'
