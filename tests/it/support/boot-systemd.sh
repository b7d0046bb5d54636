#!/bin/bash
# Boots the systemd of this machine as process 1 of namespaces of its own: a copy of this machine that is thrown away when its process 1
# ends. Nothing of what it writes reaches the machine. Needs root, and control groups of version 2 or the hierarchy of systemd.
#
# Arguments: a folder to work in; the daemon's binary; its configuration; the name of a control group to make.
set -euo pipefail
work=$1 binary=$2 config=$3 name=$4

# Where version 2 is mounted: at the root, or beside the controllers of version 1.
groups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[[ -n $groups ]] || { echo "there are no control groups of version 2 here"; exit 1; }
mkdir -- "$groups/$name"
echo $$ >"$groups/$name/cgroup.procs"
mkdir -p -- "$work"
export work binary config

# The rest happens in the namespaces; bash becomes systemd there.
# shellcheck disable=SC2016
exec unshare --pid --mount --uts --ipc --cgroup --fork --kill-child=KILL --propagation private bash -c '
set -euo pipefail
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" overlay "$work/root"
root=$work/root
mount -t proc proc "$root/proc"
# The kernel is that of the machine: its settings stay as they are.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do cp -a "/dev/$device" "$root/dev/$device"; done
mkdir "$root/dev/shm" "$root/dev/pts" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"

# What an installer leaves behind, but for the unit.
opt=$root/opt/aws/amazon-cloudwatch-publisher
rm -rf "$opt" "$root"/etc/systemd/system/amazon-cloudwatch-publisher* "$root"/lib/systemd/system/amazon-cloudwatch-publisher*
sed -i /^cwpublisher:/d "$root/etc/passwd" "$root/etc/group"
sed -i "s/^\(adm\|systemd-journal\):\([^:]*\):\([^:]*\):.*/\1:\2:\3:cwpublisher/" "$root/etc/group"
grep -q ^adm: "$root/etc/group" || echo adm:x:4:cwpublisher >>"$root/etc/group"
echo cwpublisher:x:61990: >>"$root/etc/group"
echo cwpublisher:x:61990:61990::/nonexistent:/usr/sbin/nologin >>"$root/etc/passwd"
mkdir -p "$opt/bin" "$opt/etc" "$opt/var" "$opt/logs"
chmod 0755 "$root/opt" "$root/opt/aws" "$opt" "$opt/bin" "$opt/etc"
install -m 0755 "$binary" "$opt/bin/amazon-cloudwatch-publisher"
install -m 0640 -g 61990 "$config" "$opt/etc/amazon-cloudwatch-publisher.json"
chown 61990:61990 "$opt/var" "$opt/logs"
chmod 0750 "$opt/var" "$opt/logs"

mkdir -p "$root/var/log/story" "$root/home/story" "$root/etc/systemd/system/amazon-cloudwatch-publisher.service.d"
chmod 0755 "$root/var/log/story" "$root/home/story"
echo "one line for the group" >"$root/var/log/story/group.log"
chown 0:0 "$root/var/log/story/group.log"
chmod 0640 "$root/var/log/story/group.log"
chgrp "$(sed -n "s/^adm:[^:]*:\([0-9]*\):.*/\1/p" "$root/etc/group")" "$root/var/log/story/group.log"
echo "one line at home" >"$root/home/story/home.log"
chmod 0644 "$root/home/story/home.log"
# Times of a story.
printf "[Service]\nRestartSec=1\nWatchdogSec=2\n" >"$root/etc/systemd/system/amazon-cloudwatch-publisher.service.d/story.conf"
printf "[Unit]\nDescription=The story\nDefaultDependencies=no\n" >"$root/etc/systemd/system/story.target"

hostname story
cd "$root"
mkdir -p story-machine
pivot_root . story-machine
umount -l /story-machine
exec env -i container=story PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_LOG_TARGET=null \
    /lib/systemd/systemd --system --unit=story.target </dev/null
' boot
