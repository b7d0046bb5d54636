#!/bin/sh
# A pretended dscl of macOS: the accounts of the system below another root, a file for each key. It refuses to touch another directory.
set -eu
printf '%s\n' "dscl $*" >>"$STORY/calls"
[ "$1" = -f ] && [ "$3" = localonly ] || { echo "on the machine of the story" >&2 && exit 99; }
case $2 in */root/var/db/dslocal/nodes/Default) ;; *) exit 98 ;; esac
verb=$4 path=$5
case $path in /Local/Target/*) path=$STORY/directory/${path#/Local/Target/} ;; *) exit 97 ;; esac
shift 5
case $verb in
-read)
    [ -d "$path" ] || { echo "<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)" >&2 && exit 56; }
    [ $# -eq 0 ] || { [ -f "$path/$1" ] && echo "$1: $(cat "$path/$1")" || echo "No such key: $1" >&2; }
    ;;
-create)
    mkdir -p "$path"
    [ $# -eq 0 ] || { key=$1 && shift && printf '%s\n' "$*" >"$path/$key"; }
    ;;
-list)
    for one in "$path"/*/; do
        [ ! -f "$one$1" ] || printf '%-20s %s\n' "$(basename "$one")" "$(cat "$one$1")"
    done
    ;;
-delete)
    if [ $# -eq 0 ]; then
        rm -r "$path"
    else
        tr ' ' '\n' <"$path/$1" | grep -vx "$2" | paste -sd ' ' - >"$path/$1.new"
        mv "$path/$1.new" "$path/$1"
    fi
    ;;
*) exit 96 ;;
esac
