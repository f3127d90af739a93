#!/usr/bin/env bash
# package.sh: builds the Debian package for this machine, installs it into a copy of this system that is thrown away
# (an overlay, so nothing of the system itself changes), has systemd read its units, starts the installed program as its
# user, asks for its health, and removes the package. Needs root, dpkg, and a kernel with overlayfs.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "$(id -u)" -ne 0 ] || ! command -v dpkg >/dev/null; then
	echo "skipped: needs root and dpkg"
	exit 0
fi
work=$(mktemp -d)
mount -t tmpfs tmpfs "$work" # the upper layer may not lie on an overlay itself, as in a container
trap 'umount "$work"; rmdir "$work"' EXIT
mkdir "$work/stage" "$work/upper" "$work/work" "$work/merged"

arch=$(dpkg --print-architecture)
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$work/stage/lightpush" ./cmd/lightpush
"$work/stage/lightpush" completion bash >"$work/stage/completion.bash"
"$work/stage/lightpush" completion zsh >"$work/stage/completion.zsh"
nfpm=$(sed -n 's/^nfpm="\(.*\)"$/\1/p' packaging/release.sh)
VERSION=0.0.0 ARCH=$arch STAGE=$work/stage $nfpm package -f packaging/nfpm.yaml -p deb -t "$work/lightpush.deb"

cat >"$work/inside.sh" <<'INSIDE'
set -eu
dpkg -i /srv/lightpush.deb
getent passwd lightpush
lightpush version
lightpush config check /etc/lightpush/lightpush.yaml >/dev/null
if command -v systemd-analyze >/dev/null; then
	if systemd-analyze verify lightpush.service lightpush-connector.service lightpush-logic.service 2>&1 | grep -i lightpush; then
		echo "systemd has something to say about the units" >&2
		exit 1
	fi
fi
install -d -o lightpush -g lightpush -m 0700 /var/lib/lightpush
cd /var/lib/lightpush
cat >/etc/lightpush/environment <<EOF
LIGHTPUSH_LISTEN=127.0.0.1:28914
EOF
setpriv --reuid lightpush --regid lightpush --clear-groups env $(cat /etc/lightpush/environment) /usr/bin/lightpush --config /etc/lightpush/lightpush.yaml >/srv/out 2>&1 &
pid=$!
healthy=no
for _ in $(seq 100); do
	if lightpush health --listen 127.0.0.1:28914; then
		healthy=yes
		break
	fi
	sleep 0.1
done 2>/dev/null
kill "$pid"
wait "$pid" || true
if [ "$healthy" = no ]; then
	cat /srv/out >&2
	exit 1
fi
test "$(stat -c %U /var/lib/lightpush/data 2>/dev/null || stat -c %U /var/lib/lightpush)" = lightpush
dpkg -r lightpush
test ! -e /usr/bin/lightpush
test -e /etc/lightpush/lightpush.yaml # a configuration stays
echo "the package works"
INSIDE
export work
unshare -m bash -euc '
	mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$work/merged"
	mount --bind /proc "$work/merged/proc"
	mount --bind /dev "$work/merged/dev"
	cp "$work/lightpush.deb" "$work/inside.sh" "$work/merged/srv/"
	chroot "$work/merged" sh /srv/inside.sh
'
