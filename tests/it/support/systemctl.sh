#!/bin/sh
# A pretended systemctl with our one unit: what it holds lies in files below $STORY, and every call is noted in $STORY/calls. The unit is
# there where it lies in $STORY/host, by a package or not.
#
# A story makes it behave by files that it puts there: refused (a start is), dying (the daemon ends at once with the code in it), absent (no
# systemd runs here).
set -eu
echo "$*" >>"$STORY/calls"
unit=amazon-cloudwatch-publisher.service

fail() {
    echo "$*" >&2
    exit 1
}

[ ! -e "$STORY/absent" ] || fail "System has not been booted with systemd as init system (PID 1). Can't operate."

fragment=
for folder in etc/systemd/system usr/lib/systemd/system; do
    if [ -z "$fragment" ] && [ -e "$STORY/host/$folder/$unit" ]; then fragment=/$folder/$unit; fi
done

start() {
    [ -n "$fragment" ] || fail "Unit $unit not found."
    [ ! -e "$STORY/refused" ] || fail "Job for $unit failed because the control process exited with error code."
    echo active >"$STORY/state"
}

case $1 in
    show)
        state=$(cat "$STORY/state" 2>/dev/null || echo inactive)
        pid=0 code=0 status=0 result=success sub=dead said=
        if [ -e "$STORY/dying" ] && [ "$state" = active ]; then
            code=1 status=$(cat "$STORY/dying") result=exit-code
            if [ "$status" = 78 ]; then state=failed sub=failed; else state=activating sub=auto-restart; fi
        elif [ "$state" = active ]; then
            pid=4711 sub=running said='delivering = well'
        fi
        load=loaded file=disabled
        [ -n "$fragment" ] || load=not-found file=
        [ ! -e "$STORY/enabled" ] || file=enabled
        printf 'MainPID=%s\nResult=%s\nExecMainCode=%s\nExecMainStatus=%s\nStatusText=%s\n' "$pid" "$result" "$code" "$status" "$said"
        printf 'LoadState=%s\nActiveState=%s\nFragmentPath=%s\nSubState=%s\nUnitFileState=%s\n' "$load" "$state" "$fragment" "$sub" "$file"
        ;;
    daemon-reload | reset-failed) ;;
    enable) : >"$STORY/enabled" ;;
    disable)
        rm -f "$STORY/enabled"
        [ "$2" != --now ] || rm -f "$STORY/state"
        ;;
    start | restart) start ;;
    *) fail "Unknown command verb $1." ;;
esac
