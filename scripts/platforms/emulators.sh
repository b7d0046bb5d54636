# shellcheck shell=bash disable=SC2034,SC2154
# For `scripts/cross`: what runs a target's programs here. Sets `runner`, the words before a program; none where it runs by itself.

# Sets `qemu` to the path of the emulator with this name.
qemu_here() {
    qemu=$(command -v "$1") && return
    unpack_packages "$cache/qemu" qemu-user-static
    qemu=$cache/qemu/usr/bin/$1
}

# Sets `libraries` to the folder with a foreign machine's C library.
foreign_libraries() {
    local architecture=$1 name=$2
    libraries=/usr/$name
    [[ -e $libraries/lib ]] && return
    unpack_packages "$cache/libc-$architecture" "libc6-$architecture-cross" "libgcc-s1-$architecture-cross"
    libraries=$cache/libc-$architecture/usr/$name
}

# Debian's library for 32-bit ARM needs version 7 of it, so a program that is linked to it cannot be run on a processor of version 6;
# one that brings its C library (musl) can.
emulator() {
    local qemu='' libraries=''
    runner=()
    case $triple in
    "$host") ;;
    x86_64-*-linux-musl) [[ $host == x86_64-*-linux-* ]] || fail "an x86-64 machine with Linux is needed to run this" ;;
    aarch64-*-linux-musl)
        qemu_here qemu-aarch64-static
        runner=("$qemu")
        ;;
    aarch64-*-linux-gnu)
        qemu_here qemu-aarch64-static
        foreign_libraries arm64 aarch64-linux-gnu
        runner=("$qemu" -L "$libraries")
        ;;
    arm-*-musleabihf)
        qemu_here qemu-arm-static
        runner=("$qemu" -cpu arm1176)
        ;;
    arm*-gnueabihf)
        qemu_here qemu-arm-static
        foreign_libraries armhf arm-linux-gnueabihf
        runner=("$qemu" -L "$libraries")
        ;;
    *-windows-gnu) wine_runs ;;
    *-apple-*) [[ $(uname -s) == Darwin ]] || fail "a program for macOS runs on a Mac alone" 3 ;;
    esac
}

# Wine, with a Windows of its own below the cache. What wine 8 (Debian 12) lacks of what the standard library and sysinfo import is put
# beside it. Programs are started by way of wine-launch.c, so that they end with their runner.
wine_runs() {
    local home=$cache/wine-home place=$cache/wine-home/drive_c/windows/system32 compiler sources=$root/scripts/platforms
    local made
    made=$(cat -- "$sources"/wine-*.c "$sources/emulators.sh" | cksum)
    if [[ $(cat -- "$home/ready" 2>/dev/null) != "$made" ]]; then
        wine_words
        glibc=
        mingw_links
        compiler=x86_64-w64-mingw32-gcc
        say "setting up wine"
        rm -rf -- "$home"
        mkdir -p -- "$place"
        # Its own user32.dll needs this one of another package, and is asked for while Windows is set up.
        unpack_packages "$cache/zlib" libz-mingw-w64
        cp -- "$cache/zlib/usr/x86_64-w64-mingw32/lib/zlib1.dll" "$place/"
        # Its server stays for some seconds: not with the lock.
        WINEPREFIX=$home "${wine[@]}" wineboot --init >"$cache/wine.log" 2>&1 9>&- || fail "wine cannot be set up (see $cache/wine.log)"
        WINEPREFIX=$home "${wine[@]}" winecfg -v win10 >>"$cache/wine.log" 2>&1 9>&- || say "wine does not say that it is Windows 10"
        # A file of wine's own is a link or a copy: neither is written through.
        rm -f -- "$place/pdh.dll"
        "$compiler" -shared -O2 -o "$place/bcryptprimitives.dll" "$sources/wine-prng.c" -ladvapi32
        "$compiler" -shared -O2 -o "$place/pdh.dll" "$sources/wine-pdh.c"
        "$compiler" -O2 -municode -o "$home/launch.exe" "$sources/wine-launch.c"
        wine_runner "$home"
        printf '%s\n' "$made" >"$home/ready"
    fi
    runner=("$home/run")
}

# Sets `wine`, the words that start it.
wine_words() {
    if command -v wine64 >/dev/null; then
        wine=(wine64)
    else
        unpack_packages "$cache/wine" wine64 libwine
        # In place of a script that looks for it below /usr.
        ln -sf wineserver64 "$cache/wine/usr/lib/wine/wineserver"
        wine=("$cache/wine/usr/lib/wine/wine64")
    fi
    export WINEARCH=win64 WINEDEBUG=${WINEDEBUG:--all} WINEDLLOVERRIDES="mscoree,mshtml=;pdh=n"
    export LD_LIBRARY_PATH="$cache/wine/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
}

# The script that runs a program: a signal to the script ends the program, and so does the script's own end.
wine_runner() {
    local home=$1
    {
        printf '#!/bin/bash\n'
        printf 'export WINEPREFIX=%q\n' "$home"
        declare -p WINEARCH WINEDEBUG WINEDLLOVERRIDES LD_LIBRARY_PATH
        cat <<'RUNNER'
stop=$(mktemp -u "${TMPDIR:-/tmp}/wine-stop.XXXXXX")
trap ': >"$stop"' TERM INT
trap 'rm -f -- "$stop"' EXIT
RUNNER
        # shellcheck disable=SC2016
        printf '%s "$WINEPREFIX/launch.exe" "$stop" "/proc/$$" "$@" <&0 &\n' "$(printf '%q ' "${wine[@]}")"
        cat <<'RUNNER'
child=$!
# A signal ends a wait, and not what is waited for.
while wait "$child"; code=$?; kill -0 "$child" 2>/dev/null; do :; done
exit "$code"
RUNNER
    } >"$home/run"
    chmod +x "$home/run"
}
