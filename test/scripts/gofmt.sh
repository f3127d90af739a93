#!/usr/bin/env bash
# Fails with the list of Go files that gofmt would change.
set -euo pipefail
cd "$(dirname "$0")/../.."
unformatted=$(find . -name '*.go' -not -path '*/node_modules/*' -print0 | xargs -0 gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'not gofmt-ed (run: gofmt -w …):\n%s\n' "$unformatted" >&2
	exit 1
fi
echo "all Go files are formatted"
