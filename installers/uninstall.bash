#!/bin/bash
# Removes the publisher: its service, its program, its user and its log, and, if that is wanted, its configuration and its state. Installed as
# /opt/aws/amazon-cloudwatch-publisher/bin/uninstall, and called by the installers. May be repeated, also after it was interrupted.
# Written for the bash 3.2 that macOS ships.
set -euo pipefail
export LC_ALL=C

readonly name=amazon-cloudwatch-publisher
readonly home=/opt/aws/$name
readonly label=com.amazonaws.$name

root='' rooted=no sure=no state=''

say() { printf '%s\n' "$*"; }

fail() {
    printf 'uninstall: %s\n' "$*" >&2
    exit 1
}

wrong_usage() {
    printf 'uninstall: %s; --help shows what may be said\n' "$*" >&2
    exit 2
}

usage() {
    cat <<END
usage: sudo uninstall [--keep-state | --remove-state] [--yes] [--root DIR]

Removes the service, the program, its user and its log.
    --keep-state     keep configuration and state: a new installation goes on where this one was
    --remove-state   remove them: how far each log was delivered, and what was not sent yet, is lost
    --yes            do not ask; configuration and state are kept unless --remove-state says otherwise
    --root DIR       remove it from the system that lies below DIR
END
}

while (($# > 0)); do
    case $1 in
        --keep-state | --remove-state)
            [[ -z $state || $state == "${1%-state}" ]] || wrong_usage "--keep-state and --remove-state exclude each other"
            state=${1%-state}
            ;;
        --yes) sure=yes ;;
        --root=*) root=${1#--root=} rooted=yes ;;
        --root)
            (($# > 1)) || wrong_usage "--root needs a folder behind it"
            root=$2 rooted=yes
            shift
            ;;
        --help | -h) usage && exit 0 ;;
        *) wrong_usage "$1 is not known" ;;
    esac
    shift
done

if [[ $rooted == yes ]]; then
    root=$(CDPATH='' cd "${root:-/nonexistent}" 2>/dev/null && pwd -P) || wrong_usage "--root needs a folder that is there"
    root=${root%/}
fi
[[ -n $root || $EUID -eq 0 ]] || fail "only root may do this; try: sudo $0"

# A Mac, or a system below another root that is one.
is_mac=no
if [[ -d $root/Library/LaunchDaemons ]]; then is_mac=yes; fi

# --- What is wanted

yes_to() {
    local answer
    printf '%s [y/N] ' "$1" >&2
    IFS= read -r answer || answer=''
    [[ $answer == [yY] || $answer == [yY][eE][sS] ]]
}

if [[ $sure == no ]]; then
    [[ -t 0 ]] || fail "there is no terminal to ask at; say --yes if it shall be removed"
    yes_to "Remove the publisher from ${root:-this machine}?" || fail "nothing was removed"
    if [[ -z $state ]]; then
        say "Configuration and state (what was delivered of each log, what is not sent yet) can be kept for a new installation."
        say "Without them, what is not sent yet is lost, and logs that are read again arrive twice or not at all."
        state=--keep
        if yes_to "Remove them, too?"; then state=--remove; fi
    fi
fi
state=${state:---keep}

# --- The service

# The program knows how; where it is gone or does not start, the managers are told directly.
of=() program=$root$home/bin/$name
if [[ -n $root ]]; then of=(--root "$root"); fi
if ! "$program" service uninstall ${of[@]+"${of[@]}"} >/dev/null 2>&1; then
    if [[ $is_mac == yes ]]; then
        [[ -n $root ]] || launchctl bootout "system/$label" 2>/dev/null || true
        rm -f "$root/Library/LaunchDaemons/$label.plist"
    else
        [[ -n $root ]] || systemctl disable --now "$name" 2>/dev/null || true
        rm -f "$root/etc/systemd/system/$name.service"
        [[ -n $root ]] || systemctl daemon-reload 2>/dev/null || true
    fi
fi
rm -f "$root/etc/systemd/system/multi-user.target.wants/$name.service"
if [[ -z $root && $is_mac == no ]] && systemctl is-active --quiet "$name" 2>/dev/null; then
    fail "the service still runs; stop it with 'systemctl stop $name', then try again"
fi
say "Removed the service."

# --- Its files

if [[ -L $root/usr/local/bin/$name && $(readlink "$root/usr/local/bin/$name") == "$home/bin/$name" ]]; then
    rm -f "$root/usr/local/bin/$name"
fi
rm -f "$root$home/bin/$name" "$root$home/bin/uninstall" "$root/var/log/$name.stderr.log"
rm -rf "$root$home/logs"
say "Removed the program and its log."

if [[ $state == --remove ]]; then
    for lost in etc var local; do rm -rf "$root${home:?}/$lost"; done
    say "Removed configuration and state."
else
    # Whoever gets the number of the removed user or group must not get its secrets.
    for kept in etc var local; do
        [[ -e $root$home/$kept ]] || continue
        if [[ $EUID -eq 0 ]]; then chown -R -h 0:0 "$root$home/$kept"; fi
        chmod go-rwx "$root$home/$kept"
        if [[ -f $root$home/$kept/$name.json ]]; then chmod 0600 "$root$home/$kept/$name.json"; fi
    done
    say "Kept configuration and state in $root$home, for root alone; without them: sudo rm -r $root$home"
fi
rmdir "$root$home/bin" "$root$home" "$root/opt/aws" 2>/dev/null || true
if [[ -d $root$home ]]; then
    for left in "$root$home"/*; do
        case $state,${left##*/} in
            --keep,etc | --keep,var | --keep,local) ;;
            *) say "$left is none of ours, and stays." ;;
        esac
    done
fi

# --- Its user

if [[ $is_mac == yes ]]; then
    directory=(dscl .) node=''
    if [[ -n $root ]]; then directory=(dscl -f "$root/var/db/dslocal/nodes/Default" localonly) node=/Local/Target; fi
    for account in Users Groups; do
        if "${directory[@]}" -read "$node/$account/_cwpublisher" >/dev/null 2>&1; then
            "${directory[@]}" -delete "$node/$account/_cwpublisher" || fail "_cwpublisher of $account could not be removed"
        fi
    done
else
    of=()
    if [[ -n $root ]]; then of=(--prefix "$root"); fi
    knows() { if [[ -n $root ]]; then grep -q '^cwpublisher:' "$root/etc/$1" 2>/dev/null; else getent "$1" cwpublisher >/dev/null; fi; }
    if knows passwd; then userdel ${of[@]+"${of[@]}"} cwpublisher || fail "the user cwpublisher could not be removed"; fi
    if knows group; then groupdel ${of[@]+"${of[@]}"} cwpublisher || fail "the group cwpublisher could not be removed"; fi
fi
say "Removed its user. Done."
