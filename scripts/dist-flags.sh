# shellcheck shell=bash
# What `scripts/dist` and `scripts/cross build` ask of the compilers beside the profile `dist` of Cargo.toml. Sourced by both.
#
# Unwind tables are left out, as far as the compiler can (a panic ends this program at once, and a binary without symbols has no
# backtrace to print), except on Windows, which demands them. Cargo takes such flags for one target, not for build scripts, so the target
# must be named, and not for a profile.

# For this target, into the environment.
dist_flags() {
    local triple=$1
    if [[ $triple != *-windows-* ]]; then
        export RUSTFLAGS="${RUSTFLAGS:-} -C force-unwind-tables=no"
        export CFLAGS="${CFLAGS:-} -fno-asynchronous-unwind-tables -fno-unwind-tables"
    fi
}

# Functions of the same code stand once, where the linker of this machine's own target can do that: lld can, GNU's ld and zig cannot.
fold_functions() {
    local flag="-C link-arg=-Wl,--icf=all" folder
    folder=$(mktemp -d)
    # Two words for rustc.
    # shellcheck disable=SC2086
    if echo 'fn main() {}' | rustc --crate-name takes_icf $flag -o "$folder/takes_icf" - >/dev/null 2>&1; then
        export RUSTFLAGS="${RUSTFLAGS:-} $flag"
    fi
    rm -rf -- "$folder"
}

# Where the build of this target in this folder lies.
dist_binary() {
    local binary=$1/$2/dist/amazon-cloudwatch-publisher
    [[ -e $binary ]] || binary=$binary.exe
    printf '%s\n' "$binary"
}
