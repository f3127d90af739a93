#!/usr/bin/env bash
# Tests of the console: types and logic, then the pages in a real browser against the built binary.
set -euo pipefail
cd "$(dirname "$0")/../.."

npm run --silent --prefix adminui/web check
npm run --silent --prefix adminui/web test

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
go build -o "$scratch/lightpush" ./cmd/lightpush
export LIGHTPUSH_BINARY=$scratch/lightpush
export CONSOLE_ARTEFACTS=${CONSOLE_ARTEFACTS:-${TMPDIR:-/tmp}/lightpush-console-artefacts}
cd test/console
# The limit is for a whole file, on a busy machine.
node --test --test-concurrency=1 --test-timeout=1200000 --test-reporter=spec ./*.test.mjs
echo "pictures: $CONSOLE_ARTEFACTS"
