#!/usr/bin/env bash
# Fetches the built browser clients of Socket.IO from npm into connector/browserclient/dist, with their licences and
# checksums. The result is committed; run this to move to another version: test/scripts/browserclient.sh [v2] [v4]
set -euo pipefail
cd "$(dirname "$0")/../.."

v2=${1:-2.5.0}
v4=${2:-4.8.4}
dist=connector/browserclient/dist
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# unpack VERSION FOLDER
unpack() {
	mkdir "$scratch/$2"
	(cd "$scratch" && npm pack --silent "socket.io-client@$1" >/dev/null && tar -xzf "socket.io-client-$1.tgz" -C "$2" --strip-components 1)
}
unpack "$v2" v2
unpack "$v4" v4

rm -rf "$dist"
mkdir -p "$dist"
cp "$scratch/v2/dist/socket.io.js" "$scratch/v4/dist/socket.io.min.js" "$dist"
# Maps are large and rarely asked for: they are kept as they are mostly sent. -n leaves out time and name.
gzip -n -9 -c "$scratch/v2/dist/socket.io.js.map" >"$dist/socket.io.js.map.gz"
gzip -n -9 -c "$scratch/v4/dist/socket.io.min.js.map" >"$dist/socket.io.min.js.map.gz"
cp "$scratch/v2/LICENSE" "$dist/LICENSE-v2"
cp "$scratch/v4/LICENSE" "$dist/LICENSE-v4"
printf '%s %s\n' v2 "$v2" v4 "$v4" >"$dist/VERSIONS"
(cd "$dist" && sha256sum LICENSE-v2 LICENSE-v4 VERSIONS socket.io.js socket.io.js.map.gz socket.io.min.js socket.io.min.js.map.gz >SHA256SUMS)
du -cb "$dist"/* | tail -1
