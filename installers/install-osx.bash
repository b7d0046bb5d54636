#!/bin/bash
# Installs the publisher as a service of launchd on a Mac; upgrades and uninstalls it. Run it with sudo from a checkout, or from an unpacked
# archive; --help says what may be said. Written for the bash 3.2 that macOS ships.
set -euo pipefail
export LC_ALL=C

here=$(CDPATH='' cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
if [[ ${1-} == uninstall ]]; then exec bash "$here/uninstall.bash" "${@:2}"; fi
readonly user=_cwpublisher group=_cwpublisher
# shellcheck source=installers/installation.bash
. "$here/installation.bash"

readonly label=com.amazonaws.$name
# Numbers of accounts that the system shows nowhere, the highest first: the lowest are Apple's.
readonly highest=499 lowest=300

check_system() {
    local tool
    for tool in dscl launchctl; do
        command -v "$tool" >/dev/null || fail "$tool was not found: this is for macOS; on Linux: install-rpi.bash"
    done
    # The accounts of this system, or those of the one below another root.
    directory=(dscl .) node=''
    if [[ -n $root ]]; then directory=(dscl -f "$root/var/db/dslocal/nodes/Default" localonly) node=/Local/Target; fi
}

choose_template() { template=${here%/*}/configs/$name-osx.json; }

# --- The account

has() { "${directory[@]}" -read "$node/$1" >/dev/null 2>&1; }

# The number behind a key of an account; nothing where it has none.
number() { "${directory[@]}" -read "$node/$1" "$2" 2>/dev/null | awk -v "key=$2:" '$1 == key { print $2 }'; }

write() { "${directory[@]}" -create "$node/$1" "${@:2}" || fail "the account $1 could not be written"; }

# One that neither a user nor a group has.
free_number() {
    local taken candidate
    taken=" $({ "${directory[@]}" -list "$node/Users" UniqueID && "${directory[@]}" -list "$node/Groups" PrimaryGroupID; } | awk '{ printf "%s ", $NF }') "
    for ((candidate = highest; candidate >= lowest; candidate--)); do
        if [[ $taken != *" $candidate "* ]]; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

make_account() {
    local gid uid
    if has "Users/$user"; then
        say "Kept the user $user."
    else
        uid=$(free_number) || fail "all numbers of accounts from $lowest to $highest are taken"
        if ! has "Groups/$group"; then
            write "Groups/$group"
            write "Groups/$group" PrimaryGroupID "$uid"
            write "Groups/$group" RealName "Amazon CloudWatch Publisher"
            write "Groups/$group" Password '*'
        fi
        gid=$(number "Groups/$group" PrimaryGroupID)
        write "Users/$user"
        write "Users/$user" UniqueID "$uid"
        write "Users/$user" PrimaryGroupID "$gid"
        write "Users/$user" RealName "Amazon CloudWatch Publisher"
        write "Users/$user" NFSHomeDirectory /var/empty
        write "Users/$user" UserShell /usr/bin/false
        write "Users/$user" IsHidden 1
        write "Users/$user" Password '*'
        say "Made the user $user, who has no rights beyond those of everybody."
    fi
    # Who is in it may become root.
    if "${directory[@]}" -read "$node/Groups/admin" GroupMembership 2>/dev/null | grep -qw -e "$user"; then
        "${directory[@]}" -delete "$node/Groups/admin" GroupMembership "$user" || fail "the user $user could not be taken out of the group admin"
        say "Took the user $user out of the group admin: it needs no such rights."
    fi
    account=$(number "Users/$user" UniqueID):$(number "Users/$user" PrimaryGroupID)
    [[ $account =~ ^[0-9]+:[0-9]+$ ]] || fail "the user $user was made, and the system does not know it"
}

# --- The service

old_services() { old=("/Library/LaunchDaemons/$label.plist"); }

# The service file is written, and nothing was started: launchd reads it when the machine starts.
after_service() { say "Wrote the service; it starts with the machine."; }

say_where() {
    say "    the service        sudo $link service status; what it says before its log is open: /var/log/$name.stderr.log"
}

install_all "$@"
