#!/bin/sh
# A pretended useradd, usermod, userdel and groupdel of Linux: they write the tables below --prefix and note each call.
# New users have the number 871. They refuse to touch the machine that they run on.
set -eu
tool=${0##*/}
printf '%s\n' "$tool $*" >>"$STORY/calls"
prefix='' groups='' has_groups=no primary='' own=no user=''
while [ $# -gt 0 ]; do
    case $1 in
    --prefix) prefix=$2 && shift ;;
    --groups) groups=$2 has_groups=yes && shift ;;
    --gid) primary=$2 && shift ;;
    --user-group) own=yes ;;
    --home-dir | --shell) shift ;;
    --system | --no-create-home) ;;
    -*) echo "$tool: invalid option $1" >&2 && exit 2 ;;
    *) user=$1 ;;
    esac
    shift
done
[ -n "$prefix" ] || { echo "$tool: on the machine of the story" >&2 && exit 99; }
passwd=$prefix/etc/passwd group=$prefix/etc/group
known() { grep -q "^$user:" "$1"; }

# Makes the user a member of exactly these groups.
member_of() {
    awk -F: -v OFS=: -v user="$user" -v wanted=",$1," '{
        n = split($4, all, ","); list = ""
        for (i = 1; i <= n; i++) if (all[i] != user) list = list (list == "" ? "" : ",") all[i]
        if (index(wanted, "," $1 ",")) list = list (list == "" ? "" : ",") user
        $4 = list; print }' "$group" >"$group.new"
    mv "$group.new" "$group"
}

case $tool in
useradd)
    ! known "$passwd" || { echo "useradd: user '$user' already exists" >&2 && exit 9; }
    if [ $own = yes ]; then echo "$user:x:871:" >>"$group"; primary=$user; fi
    id=$(awk -F: -v g="$primary" '$1 == g { print $3 }' "$group")
    echo "$user:x:871:$id::/nonexistent:/usr/sbin/nologin" >>"$passwd"
    member_of "$groups"
    ;;
usermod)
    known "$passwd" || exit 6
    [ $has_groups = no ] || member_of "$groups"
    ;;
userdel)
    known "$passwd" || exit 6
    member_of ''
    sed -i.old "/^$user:/d" "$passwd" && rm "$passwd.old"
    # As with USERGROUPS_ENAB of login.defs.
    sed -i.old "/^$user:/d" "$group" && rm "$group.old"
    ;;
groupdel)
    known "$group" || exit 6
    sed -i.old "/^$user:/d" "$group" && rm "$group.old"
    ;;
esac
