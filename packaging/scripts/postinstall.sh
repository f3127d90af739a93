#!/bin/sh
# Makes the user and tells systemd of the units. Nothing is started: which unit it is to be is the operator's choice.
set -e
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers lightpush.conf
elif ! getent passwd lightpush >/dev/null; then
	useradd --system --home-dir /var/lib/lightpush --shell /usr/sbin/nologin lightpush
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
