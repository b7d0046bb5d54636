#!/bin/bash
# Installs the publisher as a service of systemd, on a Raspberry Pi or any other Linux that has it; upgrades and uninstalls it.
# Run it with sudo from a checkout, or from an unpacked archive; --help says what may be said.
set -euo pipefail
export LC_ALL=C

here=$(CDPATH='' cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
if [[ ${1-} == uninstall ]]; then exec bash "$here/uninstall.bash" "${@:2}"; fi
readonly user=cwpublisher group=cwpublisher
# shellcheck source=installers/installation.bash
. "$here/installation.bash"

# Who is in one of these may become root.
readonly powers='sudo wheel admin root'
# Who is in one of these may read the logs of the system.
readonly readers='adm systemd-journal'

check_system() {
    [[ $(uname -s) == Linux ]] || fail "this is for Linux; on macOS: install-osx.bash"
    local tool
    for tool in useradd usermod; do
        command -v "$tool" >/dev/null || fail "$tool was not found; install it (package passwd or shadow-utils)"
    done
    [[ -z $root ]] || return 0
    command -v systemctl >/dev/null || fail "systemctl was not found: this needs systemd; without it, run '$name run' by what starts services here"
    [[ -d /run/systemd/system ]] || fail "systemd does not run here, as in most containers; run '$name run' there, or install with --root"
}

# The serial number of a Raspberry Pi names it; other machines have a name of their own.
choose_template() {
    local model=''
    if [[ -r $root/proc/device-tree/model ]]; then model=$(tr -d '\0' <"$root/proc/device-tree/model"); fi
    case $model in
        "Raspberry Pi"*) template=${here%/*}/configs/$name-rpi.json ;;
        *) template=${here%/*}/configs/$name-linux.json ;;
    esac
}

# --- The account

# The lines of the table of users or groups.
table() {
    if [[ -n $root ]]; then
        cat "$root/etc/$1" 2>/dev/null || true
    else
        getent "$1"
    fi
}

has_group() { table group | awk -F: -v "g=$1" '$1 == g { found = 1 } END { exit !found }'; }

# Those that the user has beside its own.
groups_of_user() {
    table group | awk -F: -v "u=$user" '{ n = split($4, members, ","); for (i = 1; i <= n; i++) if (members[i] == u) print $1 }'
}

numbers_of_user() { table passwd | awk -F: -v "u=$user" '$1 == u { print $3 ":" $4 }'; }

# What the user's groups are to be, into `wanted`; those that it must not have, into `lost`. Others that it was given it keeps.
sort_groups() {
    local one
    wanted='' lost=''
    for one in $(groups_of_user) $readers; do
        if [[ " $powers " == *" $one "* ]]; then
            lost="$lost $one"
        elif has_group "$one" && [[ ",$wanted," != *",$one,"* ]]; then
            wanted=${wanted:+$wanted,}$one
        fi
    done
}

make_account() {
    local shell=/usr/sbin/nologin of=() own
    [[ -e $root$shell ]] || shell=/sbin/nologin
    [[ -e $root$shell ]] || shell=/bin/false
    if [[ -n $root ]]; then of=(--prefix "$root"); fi
    sort_groups
    if [[ -z $(numbers_of_user) ]]; then
        own=(--user-group)
        if has_group "$group"; then own=(--gid "$group"); fi
        useradd ${of[@]+"${of[@]}"} --system "${own[@]}" --no-create-home --home-dir /nonexistent --shell "$shell" --groups "$wanted" "$user" ||
            fail "the user $user could not be made"
        say "Made the user $user, who may read system logs${wanted:+ (groups $wanted)} and nothing else."
    else
        # Exactly these groups: that is how it loses others.
        usermod ${of[@]+"${of[@]}"} --shell "$shell" --groups "$wanted" "$user" || fail "the user $user could not be changed"
        if [[ -n $lost ]]; then
            say "Took the user $user out of the group$lost: it needs no such rights."
        else
            say "Kept the user $user."
        fi
    fi
    account=$(numbers_of_user)
    [[ -n $account ]] || fail "the user $user was made, and the system does not know it"
}

# --- The service

# Service files that an older publisher may have left. One where packages have theirs would count before ours.
old_services() {
    local packaged=/lib/systemd/system/$name.service
    old=("/etc/systemd/system/$name.service")
    if grep -qi python "$root$packaged" 2>/dev/null; then
        mv -f "$root$packaged" "$root${old[0]}"
    fi
}

# The service file is written, and nothing was started.
after_service() {
    if [[ -z $root ]]; then
        systemctl daemon-reload
    elif command -v systemctl >/dev/null; then
        systemctl --root="$root" enable "$name" || fail "the service could not be enabled in $root"
    else
        say "There is no systemctl here: enable the service $name in the other system."
    fi
    say "Wrote the service."
}

say_where() {
    say "    the service        systemctl status $name; journalctl -u $name"
}

install_all "$@"
