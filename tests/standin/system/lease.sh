#!/bin/sh
# What a DHCP server told udhcpc, a line each.
[ "$1" = bound ] || exit 0
for name in ip subnet router dns domain; do
    eval "echo \"$name=\${$name:-}\""
done
