#!/bin/busybox sh
# The first process of the machine: this work tree's host as its root, read-only below a layer in memory; then tests.
# Words of the kernel's command line arrive as variables: WORK, LIBRARY (where the kernel was unpacked), WORDS.
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /below /above /root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
share="trans=virtio,version=9p2000.L,msize=524288"
mount -t 9p -o "ro,cache=loose,$share" host /below || poweroff -f
mount -t tmpfs above /above
mkdir /above/upper /above/work
mount -t overlay -o lowerdir=/below,upperdir=/above/upper,workdir=/above/work overlay /root || poweroff -f
mkdir /whole
mount --bind /root /whole
for folder in tmp run var/tmp; do
  mkdir -p "/root/$folder"
  mount -t tmpfs "$folder" "/root/$folder"
done
for place in "$WORK" "$LIBRARY"; do # which may be below one of these
  [ -e "/root$place" ] || { mkdir -p "/root$place" && mount --bind "/whole$place" "/root$place"; }
done
mkdir -p /root/run/report /root/dev /root/proc /root/sys /root/usr/sbin
mount -t 9p -o "cache=none,$share" report /root/run/report
for folder in proc sys dev; do mount --move "/$folder" "/root/$folder"; done
mkdir -p /root/dev/shm /root/dev/pts
mount -t tmpfs shm /root/dev/shm
mount -t devpts pts /root/dev/pts
# What the kernel calls for a module it lacks: busybox knows how, by this name.
cp /bin/busybox /root/run/busybox
rm -rf /root/sbin/modprobe /root/lib/modules # links of kmod, or a folder: what is there would be written into
cp /bin/busybox /root/sbin/modprobe
ln -sfn "$LIBRARY/lib/modules" /root/lib/modules
exec switch_root /root /bin/sh "$WORK/tests/vm/run.sh"
