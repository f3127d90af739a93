#!/usr/bin/env bash
# phase.sh NAME COMMAND…: runs one phase of the build between two visible lines and notes how long it took. With
# PHASE_LOG set, a line per phase is appended to that file.
set -uo pipefail
name=$1
shift
printf '\n==> %s\n' "$name"
start=$SECONDS
"$@"
code=$?
took=$((SECONDS - start))
verdict=ok
((code == 0)) || verdict="FAILED (exit code $code)"
printf '<== %s: %s, %d s\n' "$name" "$verdict" "$took"
if [ -n "${PHASE_LOG:-}" ]; then
	printf '%5d s  %-12s %s\n' "$took" "$name" "$verdict" >>"$PHASE_LOG"
fi
exit "$code"
