#!/bin/sh
# A pretended launchctl for the system domain: what it holds lies in files below $STORY, and every call is noted in $STORY/calls.
# The answers are composed after those of macOS, and so are the codes: 113 not found, 3 no such process, 5 refused, 37 loaded.
#
# A story makes it behave by files that it puts there: refused/LABEL (cannot be started), dying/LABEL (ends at once with 78),
# resting/LABEL (has ended by itself, until it is kickstarted), lingering/LABEL (for so many looks it is still there after it was stopped), stubborn/LABEL (never goes),
# busy/LABEL (for so many tries its label is refused), wordy (says `disabled`, not `true`).
set -eu
echo "$*" >>"$STORY/calls"
mkdir -p "$STORY/loaded" "$STORY/disabled" "$STORY/going"

fail() {
    code=$1
    shift
    echo "$*" >&2
    exit "$code"
}

# Counts a file down; no when it is not there or has come to nothing.
one_more() {
    [ -e "$1" ] || return 1
    left=$(cat "$1")
    [ "$left" -gt 0 ] || return 1
    echo $((left - 1)) >"$1"
}

verb=$1
case ${2-} in
    system/*) label=${2#system/} ;;
    *) label= ;;
esac

case $verb in
    print)
        if [ -e "$STORY/going/$label" ] && ! one_more "$STORY/lingering/$label"; then
            rm -f "$STORY/loaded/$label" "$STORY/going/$label"
        fi
        [ -e "$STORY/loaded/$label" ] || fail 113 "Could not find service \"$label\" in domain for system"
        printf 'system/%s = {\n\tactive count = 1\n\tpath = %s\n\ttype = LaunchDaemon\n' "$label" "$(cat "$STORY/loaded/$label")"
        if [ -e "$STORY/dying/$label" ]; then
            printf '\tstate = spawn scheduled\n\n\truns = 1\n\tlast exit code = 78: EX_CONFIG\n'
        elif [ -e "$STORY/resting/$label" ]; then
            printf '\tstate = not running\n\n\truns = 1\n\tlast exit code = 0\n'
        else
            printf '\tstate = running\n\n\truns = 1\n\tpid = 4711\n\tlast exit code = (never exited)\n'
        fi
        printf '\targuments = {\n\t\tpid = 1\n\t}\n}\n'
        ;;
    print-disabled)
        printf '\n\tdisabled services = {\n'
        for file in "$STORY"/disabled/*; do
            [ -e "$file" ] || continue
            word=$(cat "$file")
            if [ -e "$STORY/wordy" ]; then
                case $word in true) word=disabled ;; *) word=enabled ;; esac
            fi
            printf '\t\t"%s" => %s\n' "${file##*/}" "$word"
        done
        printf '\t}\n'
        ;;
    kickstart)
        [ -e "$STORY/loaded/$label" ] || fail 113 "Could not find service \"$label\" in domain for system"
        rm -f "$STORY/resting/$label"
        ;;
    enable) echo false >"$STORY/disabled/$label" ;;
    disable) echo true >"$STORY/disabled/$label" ;;
    bootout)
        [ -e "$STORY/loaded/$label" ] || fail 3 "Boot-out failed: 3: No such process"
        [ ! -e "$STORY/stubborn/$label" ] || fail 36 "Boot-out failed: 36: Operation now in progress"
        : >"$STORY/going/$label"
        ;;
    bootstrap)
        label=$(tr -d '\n' <"$3" | sed -n 's|.*<key>Label</key>[[:space:]]*<string>\([^<]*\)</string>.*|\1|p')
        [ -n "$label" ] || fail 5 "Bootstrap failed: 5: Input/output error"
        [ ! -e "$STORY/loaded/$label" ] || fail 37 "Bootstrap failed: 37: Operation already in progress"
        ! one_more "$STORY/busy/$label" || fail 5 "Bootstrap failed: 5: Input/output error"
        [ ! -e "$STORY/refused/$label" ] || fail 5 "Bootstrap failed: 5: Input/output error"
        [ "$(cat "$STORY/disabled/$label" 2>/dev/null || true)" != true ] || fail 119 "Bootstrap failed: 119: Service is disabled"
        echo "$3" >"$STORY/loaded/$label"
        ;;
    *) fail 64 "Unrecognized subcommand: $verb" ;;
esac
