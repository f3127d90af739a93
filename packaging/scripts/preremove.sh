#!/bin/sh
# Stops the units when the package goes, not when it is replaced: Debian says remove, RPM gives the count 0.
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now lightpush.service lightpush-connector.service lightpush-logic.service || true
	fi
	;;
esac
