#!/usr/bin/env bash
# vuln.sh: asks govulncheck whether this program calls anything with a known vulnerability. Where its module or its
# database (GOVULNDB, https://vuln.go.dev) cannot be reached it says so, and checks what can be checked without: that the
# modules are those of go.sum, and which direct ones have newer releases.
set -uo pipefail
cd "$(dirname "$0")/../.."

tool=golang.org/x/vuln/cmd/govulncheck@v1.1.4
log=$(mktemp)
trap 'rm -f "$log"' EXIT

go mod verify || exit 1
if ! go run "$tool" -version >"$log" 2>&1 && ! grep -q '^Scanner' "$log"; then
	reason="govulncheck itself cannot be fetched: $(tail -n 1 "$log")"
elif go run "$tool" ./... >"$log" 2>&1; then
	cat "$log"
	exit 0
elif grep -qE 'dial tcp|no such host|lookup |i/o timeout|connection refused|Forbidden|proxyconnect|fetching vulnerabilities' "$log"; then
	reason="its database cannot be reached: $(grep -m1 -E 'dial tcp|no such host|lookup |timeout|refused|Forbidden|proxyconnect|vulnerabilities' "$log")"
else
	cat "$log"
	exit 1
fi
echo "NOT ASKED for known vulnerabilities: $reason"
echo "Direct modules with newer releases, whose notes may name some:"
go list -m -u -f '{{if and (not .Indirect) .Update}}  {{.Path}} {{.Version}} → {{.Update.Version}}{{end}}' all 2>/dev/null | grep . || echo "  none"
