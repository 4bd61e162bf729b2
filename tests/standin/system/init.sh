#!/bin/sh
# The first process of the stand-in: what Linux needs, then the program that plays ESXi.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /run
mount -t devpts pts /dev/pts
while read -r path; do
    insmod "$path" || echo "cannot load $path"
    [ "$path" = /lib/modules/usb-storage.ko ] && echo 0 >/sys/module/usb_storage/parameters/delay_use
done </lib/modules/order
mount -t efivarfs efivars /sys/firmware/efi/efivars 2>/dev/null
ip link set dev lo up
# Routers' words are not heard: see docs/stand-in.md.
for name in all default; do echo 0 >/proc/sys/net/ipv6/conf/$name/accept_ra; done
# An interface answers for its own addresses alone, as on ESXi; Linux would answer for all that the machine has.
echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce
hostname localhost
# Busybox's shell runs its own reboot, poweroff and halt, whatever else PATH has: they tell the first process by signals.
trap '/bin/poweroff' USR1 USR2
trap '/bin/reboot' TERM
/usr/lib/standin/boot &
boot=$!
while kill -0 $boot 2>/dev/null; do
    wait $boot
    status=$?
done
if [ "$status" != 0 ]; then
    echo "The stand-in's own program failed; this is no behaviour of ESXi. The machine powers off."
    sleep 1
    exec /bin/busybox poweroff -f
fi
# The first process never ends, and takes in what others leave.
while :; do
    sleep 3600 &
    wait
done
