#!/bin/sh
# Inside, on the host's own files: run the words and hand their exit status out.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp TERM=dumb TUNNELMGR_IN_VM=1
modprobe tun # whose node in /dev udev would make
ip link set lo up
cd "$WORK" && sh /run/report/words </dev/null
echo $? >/run/report/status
exec /run/busybox poweroff -f
