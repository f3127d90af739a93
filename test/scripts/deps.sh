#!/usr/bin/env bash
# Installs what the full test run needs and this machine lacks: Debian packages, the JavaScript clients and Node's socket.io.
set -euo pipefail
cd "$(dirname "$0")/../.."

packages=()
# want PACKAGE COMMAND…: the package is missing when the command fails.
want() {
	local package=$1
	shift
	"$@" >/dev/null 2>&1 || packages+=("$package")
}
has() { command -v "$1" || test -x "/usr/sbin/$1"; }

want redis-server has redis-server
want nginx-light has nginx
want curl has curl
want gcc has gcc
want libc6-dev sh -c 'echo "#include <stdlib.h>" | gcc -E -'
want python3 test -x /usr/bin/python3
want python3-socketio /usr/bin/python3 -c 'import socketio'
want python3-websocket /usr/bin/python3 -c 'import websocket'
want chromium sh -c '[ -n "${CHROMIUM:-}" ] || command -v chromium || command -v chromium-browser || command -v google-chrome'
want fonts-noto-cjk sh -c 'test -d /usr/share/fonts/opentype/noto || ! command -v apt-get'
want php-cli has php
want prometheus sh -c 'command -v prometheus && command -v promtool'
want python3-requests /usr/bin/python3 -c 'import requests'

if ((${#packages[@]})); then
	echo "installing: ${packages[*]}"
	if ! command -v apt-get >/dev/null; then
		echo "This system has no apt-get. Please install yourself what these Debian packages hold: ${packages[*]}" >&2
		exit 1
	fi
	as_root=()
	if [ "$(id -u)" -ne 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "Not root, and no sudo here. Please have these packages installed: apt-get install ${packages[*]}" >&2
			exit 1
		fi
		as_root=(sudo)
	fi
	# RUNLEVEL=1 keeps the packages from starting their services: the tests start their own on free ports.
	env=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1)
	"${as_root[@]}" "${env[@]}" apt-get update -qq
	"${as_root[@]}" "${env[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

for program in go node npm; do
	if ! command -v "$program" >/dev/null; then
		echo "$program is missing: this project needs Go (see go.mod) and Node.js 20 or later with npm." >&2
		exit 1
	fi
done

for dir in test/e2e/clients test/interop/node test/console adminui/web; do
	if [ ! "$dir/node_modules/.package-lock.json" -nt "$dir/package-lock.json" ]; then
		echo "installing the npm packages of $dir"
		npm ci --prefix "$dir" --no-audit --no-fund
		touch "$dir/node_modules/.package-lock.json"
	fi
done
echo "everything the tests need is installed"
