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

for path in "$home" "$home/bin" "$home/etc" "$home/logs" "$home/var"; do
    [[ ! -L $root$path ]] || fail "$root$path is a link: what it leads to is not removed; remove the link, then try again"
done
if [[ -n $root ]]; then
    for path in /opt /opt/aws /etc /etc/systemd /etc/systemd/system /Library /Library/LaunchDaemons /usr /usr/local /usr/local/bin; do
        if [[ -L $root$path && $(readlink "$root$path") == /* ]]; then
            fail "$root$path leads out of $root; nothing was removed"
        fi
    done
fi
for path in /usr/lib/systemd/system /lib/systemd/system; do
    ! grep -qs "^ExecStart=$home/bin/$name run" "$root$path/$name.service" || fail "the publisher is installed here as a package: remove that (apt-get remove $name, dnf remove $name)"
done

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
        say "The configuration, with what it signs in with, and the state (what was delivered of each log, what is not sent yet) can be kept for a new installation."
        say "Without them, what is not sent yet is lost, and logs that are read again arrive twice or not at all."
        state=--keep
        if yes_to "Remove them, too?"; then state=--remove; fi
    fi
fi
state=${state:---keep}

# Whether something is there: the first time, not the second.
there() {
    local one
    for one; do
        if [[ -e $root$one || -L $root$one ]]; then return 0; fi
    done
    return 1
}

# --- The service

service=no program_too=no account_too=no
if there "/etc/systemd/system/$name.service" "/Library/LaunchDaemons/$label.plist"; then service=yes; fi
if there "$home/bin/$name" "$home/bin/uninstall" "$home/logs"; then program_too=yes; fi

# The program knows how; where it is gone or does not start, the managers are told directly. Of another system nothing is run here.
if [[ -n $root ]] || ! "$home/bin/$name" service uninstall >/dev/null 2>&1; then
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
if [[ $service == yes ]]; then say "Removed the service."; fi

# --- Its files

if [[ -L $root/usr/local/bin/$name && $(readlink "$root/usr/local/bin/$name") == "$home/bin/$name" ]]; then
    rm -f "$root/usr/local/bin/$name"
fi
rm -f "$root$home/bin/$name" "$root$home/bin/uninstall" "$root$home/bin/".*.new "$root$home/etc/".*.new
rm -rf "$root$home/logs"
if [[ $program_too == yes ]]; then say "Removed the program and its log."; fi

if ! there "$home/etc" "$home/var" "$home/local"; then
    :
elif [[ $state == --remove ]]; then
    for lost in etc var local; do rm -rf "$root${home:?}/$lost"; done
    say "Removed configuration and state."
else
    # Whoever gets the number of the removed user or group must not get its secrets.
    for kept in etc var local; do
        [[ -e $root$home/$kept ]] || continue
        if [[ $EUID -eq 0 ]]; then chown -R -h 0:0 "$root$home/$kept"; fi
        chmod go-rwx "$root$home/$kept"
        # With what it signs in with.
        if [[ $kept == etc ]]; then find "$root$home/etc" -type f -exec chmod go-rwx {} +; fi
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
            account_too=yes
            "${directory[@]}" -delete "$node/$account/_cwpublisher" || fail "_cwpublisher of $account could not be removed"
        fi
    done
else
    of=()
    if [[ -n $root ]]; then of=(--prefix "$root"); fi
    knows() { if [[ -n $root ]]; then grep -q '^cwpublisher:' "$root/etc/$1" 2>/dev/null; else getent "$1" cwpublisher >/dev/null; fi; }
    if knows passwd || knows group; then account_too=yes; fi
    if knows passwd; then userdel ${of[@]+"${of[@]}"} cwpublisher || fail "the user cwpublisher could not be removed"; fi
    if knows group; then groupdel ${of[@]+"${of[@]}"} cwpublisher || fail "the group cwpublisher could not be removed"; fi
fi
if [[ $account_too == yes ]]; then say "Removed its user."; fi
if [[ $service$program_too$account_too == nonono ]]; then say "The publisher is not installed in ${root:-this machine}; there was nothing to remove."; else say "Done."; fi
