# shellcheck shell=bash
# The configuration of an installation, and the files that it signs in with (a certificate with its key, a file with the password): one that
# is given finished, the one that is there, or one that is made. Sourced by installation.bash.
#
# It is read before anything is changed, and once more as the user of the service: root may read what that user may not.

# `given`, `kept` or `made`; the files that it names; those of them that lie beside a given one, and come with it.
origin='' keys=() brought=()
: "${root?} ${config:?} ${home:?} ${link:?} ${name:?} ${user:?} ${group:?} ${superuser:?} ${given_config?} ${given_template?}"
# Known later.
: "${program=} ${version=} ${account=} ${scratch=} ${values[*]-}"

prepare_configuration() {
    : >"$scratch/shown"
    if [[ -n $given_config && ! $given_config -ef $root$config ]]; then
        origin=given
        prepare_given
    elif [[ -e $root$config ]]; then
        origin=kept
        check_configuration "$root" "$root$config" "so version $version could not run with it, and nothing was changed; correct it, then try again"
        find_keys "$root$config"
        ((${#values[@]} == 0)) || [[ ${values[*]} == --no-login ]] ||
            say "Values are given, but $root$config is there and stays as it is; remove it to make a new one."
    else
        origin=made
        if [[ -n $given_template ]]; then template=$given_template; else choose_template; fi
        [[ -f $template ]] || fail "$template, the template of the configuration, is not there"
        say "Making the configuration from $template."
        "$program" config create "$scratch/$name.json" --template "$template" ${values[@]+"${values[@]}"} >/dev/null ||
            fail "there is no configuration, so nothing was installed"
    fi
}

# Together with what comes with it, it is laid out as it will be, and read there.
prepare_given() {
    local key beside folder
    [[ -f $given_config ]] || fail "$given_config, the finished configuration, is not there"
    folder=$(CDPATH='' cd "$(dirname "$given_config")" && pwd -P)
    find_keys "$given_config"
    for key in ${keys[@]+"${keys[@]}"}; do
        [[ $key == /* ]] || continue
        beside=$folder/${key##*/}
        (umask 077 && mkdir -p "$scratch/root${key%/*}")
        if [[ ${key%/*} == "$home/etc" && -f $beside && ! $beside -ef $root$key ]]; then
            (umask 077 && cp "$beside" "$scratch/root$key")
            brought+=("$key")
        elif [[ -f $root$key ]]; then
            (umask 077 && cp "$root$key" "$scratch/root$key")
        else
            fail "$given_config signs in with $key, which is neither $root$key nor $beside, so nothing was installed"
        fi
    done
    check_configuration "$scratch/root" "$given_config" "so nothing was installed; correct it, then try again"
    (umask 077 && cp "$given_config" "$scratch/$name.json")
}

# ROOT FILE OUTLOOK: whether it can run with the files that it names below this root.
check_configuration() {
    local of=()
    if [[ -n $1 ]]; then of=(--root "$1"); fi
    "$program" validate ${of[@]+"${of[@]}"} "$2" >"$scratch/findings" 2>&1 || {
        without_scratch >&2
        fail "$2 has errors, $3"
    }
    show_warnings
}

# The findings; what was looked at in its place was found here.
without_scratch() {
    local findings
    findings=$(cat "$scratch/findings")
    printf '%s\n' "${findings//$scratch\/root/}"
}

# Each one once.
show_warnings() {
    local line later
    without_scratch | grep -e ': warning: ' >"$scratch/warnings" || return 0
    while IFS= read -r line; do
        if grep -qxF -e "$line" "$scratch/shown"; then continue; fi
        say "$line"
        # A given one is found by another name once it is installed.
        later=$line
        if [[ $origin == given ]]; then later=${line/#"$given_config"/$root$config}; fi
        printf '%s\n' "$line" "$later" >>"$scratch/shown"
    done <"$scratch/warnings"
}

find_keys() {
    local key
    "$program" config keys "$1" >"$scratch/keys" || fail "$1 has errors, so nothing was changed; correct it, then try again"
    while IFS= read -r key; do keys+=("$key"); done <"$scratch/keys"
}

# Whether the user of the service may. Where it is not of this system, by the mode.
may_read() {
    local mode uid gid _
    if [[ -z $root && $EUID -eq 0 ]] && can_be_service; then
        as_service test -r "$1"
        return
    fi
    # shellcheck disable=SC2012 # one name, its mode and numbers; stat has other options on each system
    read -r mode _ uid gid _ < <(ls -nLd "$1")
    case $uid:$gid in
        "${account%%:*}":*) [[ ${mode:1:1} == r ]] ;;
        *:"${account#*:}") [[ ${mode:4:1} == r ]] ;;
        *) [[ ${mode:7:1} == r ]] ;;
    esac
}

# In `etc` a file that is no link is given to the service's group; whose the others are is not for us to change. Before anything but the
# account is changed.
check_keys() {
    local key
    for key in ${keys[@]+"${keys[@]}"}; do
        if [[ $key != /* ]] || is_ours "$key" || may_read "$root$key"; then continue; fi
        fail "the user $user may not read $root$key, which the configuration signs in with, so the service could not run; nothing was installed." \
            "Give its group that right, then try again: sudo chown :$group '$root$key' && sudo chmod g+r '$root$key'; it must also be allowed into each folder above it"
    done
}

is_ours() { [[ $1 == "$home/etc/"* && $1 != */../* && ! -L $root$1 ]]; }

install_configuration() {
    local key
    for key in ${brought[@]+"${brought[@]}"}; do
        keep_old "$root$key" "$scratch/root$key"
        put "$scratch/root$key" "$root$key" 0640 "0:${account#*:}"
        say "Wrote $root$key, which the configuration signs in with."
    done
    for key in ${keys[@]+"${keys[@]}"}; do
        if ! is_ours "$key" || may_read "$root$key"; then continue; fi
        give 0640 "0:${account#*:}" "$root$key"
        say "Let the group $group read $root$key, which the configuration signs in with."
    done
    if [[ $origin == kept ]]; then
        say "Keeping the configuration $root$config."
        # The one of an older publisher may be open to everybody, with the password in it.
        give 0640 "0:${account#*:}" "$root$config"
        return
    fi
    keep_old "$root$config" "$scratch/$name.json"
    put "$scratch/$name.json" "$root$config" 0640 "0:${account#*:}"
    say "Wrote the configuration $root$config; root and the group $group may read it."
}

# FILE NEW: what is there, and is something else, stays beside it for root.
keep_old() {
    if [[ ! -f $1 ]] || cmp -s "$1" "$2"; then return 0; fi
    put "$1" "$1.old" 0600 "$superuser"
    say "Kept what was in $1 as $1.old."
}

# --- As the user of the service

can_be_service() { command -v runuser >/dev/null || command -v sudo >/dev/null; }

# From a folder that this user may be in.
as_service() {
    if command -v runuser >/dev/null; then
        (cd / && runuser -u "$user" -- "$@")
    else
        (cd / && sudo -u "$user" -- "$@")
    fi
}

# No service is started that could not run. What it may not read of logs is said.
check_as_service() {
    if [[ -n $root || $EUID -ne 0 ]] || ! can_be_service; then return 0; fi
    as_service "$home/bin/$name" validate "$config" >"$scratch/findings" 2>&1 || {
        without_scratch >&2
        fail "the user $user could not run the service with $config, so it was not started (one that runs was left alone). Everything is installed: correct it," \
            "see that no error is found by 'sudo -u $user $link validate', then try: sudo $link service install"
    }
    show_warnings
}
