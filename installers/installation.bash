# shellcheck shell=bash
# What an installation consists of on every system: the options, the program, its folders, its configuration, its service. Sourced by
# install-rpi.bash and install-osx.bash, which know the accounts and the service manager of their system and are asked for them by name:
# `check_system`, `choose_template` (into `template`), `make_account` (into `account`, as UID:GID), `old_services` (into `old`),
# `after_service`, `say_where`. They say what the account's group is called (`group`) and where they lie (`here`).
#
# Everything that can be refused is refused before anything is changed. What is changed is changed in one step: a program that runs, a
# configuration and a service file are replaced whole. So it may be run again at any time, and that is how to upgrade.
#
# Written for the bash 3.2 that macOS ships.

readonly name=amazon-cloudwatch-publisher
readonly home=/opt/aws/$name
readonly config=$home/etc/$name.json
readonly link=/usr/local/bin/$name
# By number: below another root the names may be others.
readonly superuser=0:0

# Seconds within which a start is to show how it went.
readonly patience=60

root='' start=yes login=yes given_program='' given_template=''
# What `config create` is told.
values=()
scratch='' template='' account='' old=()
: "${here:?} ${group:?}"

say() { printf '%s\n' "$*"; }

# What is wrong and what to do. Nothing more is done.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

wrong_usage() {
    printf '%s: %s; --help shows what may be said\n' "${0##*/}" "$*" >&2
    exit 2
}

usage() {
    cat <<END
usage: sudo ${0##*/} [options]            install, or upgrade what is installed
       sudo ${0##*/} uninstall [options]  remove it (uninstall --help)

The values of the login. What is not given is asked for; each may be in the environment instead, by the name in brackets:
    --region REGION              like eu-west-1            [CWPUBLISHER_REGION]
    --account-id ID              12 digits                 [CWPUBLISHER_ACCOUNT_ID]
    --user-pool-id ID            like eu-west-1_AbCdEf123  [CWPUBLISHER_USER_POOL_ID]
    --identity-pool-id ID        like eu-west-1:1111...    [CWPUBLISHER_IDENTITY_POOL_ID]
    --app-client-id ID           letters and digits        [CWPUBLISHER_APP_CLIENT_ID]
    --password-file FILE         its first line            [CWPUBLISHER_PASSWORD: the password itself]
    --no-login                   this machine has AWS credentials of its own; only the region is needed

    --template FILE              the configuration to start from, in place of the sample for this machine
    --serial TEXT                the second half of the instance id, in place of the template's command
    --program FILE               the program to install, in place of the one beside this script
    --no-start                   install everything, and start nothing
    --yes                        ask nothing: a value that is missing is an error
    --root DIR                   install into the system that lies below DIR, and start nothing
    --help                       this
END
}

# Arguments that `config create` understands as we do; the others are ours.
parse_options() {
    local option
    while (($# > 0)); do
        option=$1
        case $option in
            --*=*)
                shift
                set -- "${option%%=*}" "${option#*=}" "$@"
                continue
                ;;
            --region | --account-id | --user-pool-id | --identity-pool-id | --app-client-id | --password-file | --serial | --template | \
                --program | --root)
                [[ $# -gt 1 && $2 != --* ]] || wrong_usage "$option needs a value behind it"
                ;;
        esac
        case $option in
            --template) given_template=$2 && shift ;;
            --program) given_program=$2 && shift ;;
            --root) root=$2 && shift && set_root ;;
            --no-login) login=no ;;
            --no-start) start=no ;;
            --yes) exec </dev/null ;;
            --help | -h) usage && exit 0 ;;
            --region | --account-id | --user-pool-id | --identity-pool-id | --app-client-id | --password-file | --serial)
                values+=("$option" "$2")
                shift
                ;;
            --password) wrong_usage "a password is no argument: everybody on this machine sees arguments; use --password-file" ;;
            *) wrong_usage "$option is not known" ;;
        esac
        shift
    done
    [[ $login == yes ]] || values+=(--no-login)
}

set_root() {
    root=$(CDPATH='' cd "${root:-/nonexistent}" 2>/dev/null && pwd -P) || wrong_usage "--root needs a folder that is there"
    root=${root%/}
    # Nothing of another system can be started here.
    if [[ -n $root ]]; then start=no; fi
}

need_root() {
    [[ -n $root || $EUID -eq 0 ]] || fail "only root may install; try: sudo $0"
}

# Removed however this ends: a configuration in it may hold a password.
make_scratch() {
    scratch=$(umask 077 && mktemp -d "${TMPDIR:-/tmp}/$name.XXXXXX") || fail "no folder could be made in ${TMPDIR:-/tmp}"
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# --- The program

# Sets `program` to the one that is to be installed, and `version` to what it says of itself.
find_program() {
    local top=${here%/*} said
    if [[ -n $given_program ]]; then
        program=$given_program
        [[ -f $program ]] || fail "$program, the program to install, is not there"
    elif [[ -f $top/Cargo.toml ]]; then
        build_program "$top"
    else
        program=$top/$name
        [[ -f $program ]] || fail "$program is not there; unpack the whole archive, and run this script where it lies in it"
    fi
    case $program in
        /*) ;;
        *) program=$PWD/$program ;;
    esac
    [[ -x $program ]] || fail "$program may not be executed; try: chmod 755 '$program'"
    said=$("$program" --version 2>&1) ||
        fail "$program does not start on this machine ($(uname -s), $(uname -m)): $said; take the archive for this kind of processor, or see that its folder may hold programs (noexec)"
    version=${said##* }
}

# In a checkout: what `scripts/dist` has built, if no source is newer, else what the launcher builds for whoever called sudo, since root has no
# toolchain of their own and should leave no files behind.
build_program() {
    local top=$1 dist=$1/target/dist/$name
    if [[ -x $dist && -z $(find "$top/Cargo.toml" "$top/Cargo.lock" "$top/src" -newer "$dist" -print 2>/dev/null | head -n 1) ]]; then
        program=$dist
        return
    fi
    say "Building the program where it is not built yet; the first time that takes some minutes."
    if [[ $EUID -eq 0 && -n ${SUDO_USER-} && $SUDO_USER != root ]]; then
        sudo -H -u "$SUDO_USER" -- "$top/$name" --version >/dev/null || fail "it could not be built; what was wrong stands above"
        program=$top/target/release/$name
    else
        "$top/$name" --version >/dev/null || fail "it could not be built; what was wrong stands above"
        program=${CARGO_TARGET_DIR:-${CARGO_BUILD_TARGET_DIR:-$top/target}}/release/$name
    fi
    [[ -x $program ]] || fail "it was built, and $program is not there; say where it is with --program"
}

# --- The configuration

# A new one is finished, and one that is there is read by the new program, before anything is changed.
prepare_configuration() {
    if [[ -e $root$config ]]; then
        is_upgrade=yes
        "$program" validate "$root$config" >"$scratch/findings" 2>&1 || {
            cat "$scratch/findings" >&2
            fail "$root$config has errors, so version $version could not run with it, and nothing was changed; correct it, then try again"
        }
        ((${#values[@]} == 0)) || [[ ${values[*]} == --no-login ]] ||
            say "Values are given, but $root$config is there and stays as it is; remove it to make a new one."
        return
    fi
    is_upgrade=no
    if [[ -n $given_template ]]; then template=$given_template; else choose_template; fi
    [[ -f $template ]] || fail "$template, the template of the configuration, is not there"
    say "Making the configuration from $template."
    "$program" config create "$scratch/$name.json" --template "$template" ${values[@]+"${values[@]}"} >/dev/null ||
        fail "there is no configuration, so nothing was installed"
}

install_configuration() {
    if [[ $is_upgrade == yes ]]; then
        say "Keeping the configuration $root$config."
        # The one of an older publisher may be open to everybody, with the password in it.
        give 0640 "0:${account#*:}" "$root$config"
        return
    fi
    put "$scratch/$name.json" "$root$config" 0640 "0:${account#*:}"
    say "Wrote the configuration $root$config; root and the group $group may read it."
}

# --- Files

# Mode and owner of what is there. Whoever is not root has only files of their own.
give() {
    local mode=$1 whose=$2
    shift 2
    if [[ $EUID -eq 0 ]]; then chown "$whose" "$@"; fi
    chmod "$mode" "$@"
}

folder() {
    mkdir -p "$root$1"
    give "$2" "$3" "$root$1"
}

# FILE TO MODE OWNER: there in one step, also in the place of a program that runs.
put() {
    local draft=${2%/*}/.${2##*/}.new
    rm -f "$draft"
    (umask 077 && cp "$1" "$draft")
    give "$3" "$4" "$draft"
    mv -f "$draft" "$2"
}

# Folders of the service user that somebody else has, as after an uninstallation that kept them.
hand_over() {
    local owner_now
    [[ $EUID -eq 0 ]] || return 0
    # shellcheck disable=SC2012 # one name, and its number; stat has other options on each system
    owner_now=$(ls -nd "$root$1" | awk '{ print $3 }')
    [[ $owner_now == "${account%%:*}" ]] || chown -R -h "$account" "$root$1"
}

make_folders() {
    local path
    if [[ ! -d $root/opt/aws ]]; then folder /opt/aws 0755 "$superuser"; fi
    folder "$home" 0755 "$superuser"
    folder "$home/bin" 0755 "$superuser"
    folder "$home/etc" 0755 "$superuser"
    for path in "$home/logs" "$home/var"; do
        mkdir -p "$root$path"
        hand_over "$path"
        folder "$path" 0750 "$account"
    done
    say "Made the folders of $root$home."
}

install_program() {
    local before=''
    if [[ -e $root$home/bin/$name ]]; then
        before='an older publisher'
        # That written in Python may take it for the order to run.
        if ! head -n 1 "$root$home/bin/$name" | grep -qai python; then
            before=$("$root$home/bin/$name" --version 2>/dev/null) || before='one that does not start'
            before=${before#"$name "}
        fi
    fi
    put "$program" "$root$home/bin/$name" 0755 "$superuser"
    put "$here/uninstall.bash" "$root$home/bin/uninstall" 0755 "$superuser"
    if [[ -z $before ]]; then
        say "Installed the program, version $version."
    else
        say "Replaced the program: version $version, before: $before."
    fi
    if [[ -e $root$link && ! -L $root$link ]]; then
        say "$root$link is there, and is no link of ours; it stays. The program is $home/bin/$name."
        return
    fi
    if [[ ! -d $root${link%/*} ]]; then folder "${link%/*}" 0755 "$superuser"; fi
    ln -sfn "$home/bin/$name" "$root$link"
}

# --- The service

install_service() {
    local file
    old_services
    for file in ${old[@]+"${old[@]}"}; do
        if grep -qi python "$root$file" 2>/dev/null; then
            say "The publisher written in Python is installed here ($root$file). It is replaced; its configuration is kept."
        fi
    done
    if [[ $start == yes ]]; then
        say "Starting the service."
        "$home/bin/$name" service install || fail "the service does not run; what is wrong stands above. Everything is installed: correct it, then try: sudo $link service install"
    else
        "$program" service install --root "${root:-/}" >/dev/null ||
            fail "the service file could not be written"
        after_service
    fi
}

# How it goes, and what to do next.
report() {
    if [[ $start == no ]]; then
        if [[ -n $root ]]; then
            say "Done. Nothing was started: $root is another system, and the service starts with it."
        else
            say "Done. Nothing was started; when it shall be: sudo $link service install"
        fi
        return
    fi
    say "Waiting for the first data to arrive, at most $patience seconds."
    if "$home/bin/$name" status --wait "$patience"; then
        say "Done: it works."
    else
        say "It is installed and runs; what it waits for, or what is wrong, stands above."
    fi
    say "
    its own log        $home/logs/$name.log
    how it is doing    sudo $link status
    what it is to do   $config
                       (after a change: sudo $link validate, then sudo $link service install)"
    say_where
    say "    remove it          sudo $home/bin/uninstall"
}

install_all() {
    parse_options "$@"
    need_root
    check_system
    make_scratch
    find_program
    prepare_configuration
    make_account
    make_folders
    install_configuration
    install_program
    install_service
    report
}
