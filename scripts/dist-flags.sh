# shellcheck shell=bash
# What `scripts/dist` and `scripts/cross build` ask of the compilers beside the profile `dist` of Cargo.toml. Sourced by both.
#
# Unwind tables are left out, as far as the compiler can (a panic ends this program at once, and a binary without symbols has no
# backtrace to print), except on Windows, which demands them; and on Linux functions of the same code stand once, which the linker
# sees to. Cargo takes such flags for one target, not for build scripts, so the target must be named, and not for a profile.

# For this target, into the environment.
dist_flags() {
    local triple=$1
    if [[ $triple != *-windows-* ]]; then
        export RUSTFLAGS="${RUSTFLAGS:-} -C force-unwind-tables=no"
        export CFLAGS="${CFLAGS:-} -fno-asynchronous-unwind-tables -fno-unwind-tables"
    fi
    if [[ $triple == *-linux-* ]]; then
        RUSTFLAGS+=" -C link-arg=-Wl,--icf=all"
    fi
}

# Where the build of this target in this folder lies.
dist_binary() {
    local binary=$1/$2/dist/amazon-cloudwatch-publisher
    [[ -e $binary ]] || binary=$binary.exe
    printf '%s\n' "$binary"
}
