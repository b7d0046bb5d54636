"""Libraries of macOS that name symbols and hold none (text-based stubs), for linking on another system.

Reads `cargo metadata` from standard input and writes a folder laid out like Apple's SDK. A symbol is offered when a crate that we use
mentions it and its prefix belongs to the library: Apple gives each framework a prefix of its own.
"""
import json
import pathlib
import re
import sys

# Those of macOS alone: which names are whose, by the first letters.
FRAMEWORKS = {
    "CoreFoundation": (r"k?CF(?!Network|HTTP|Host|Proxy|FTP)[A-Z]\w+", "A"),
    "CoreServices": (r"k?(FSEvent\w*|FSEvents\w+|(CFNetwork|CFHTTP|CFHost|CFProxy|LS|MD|UT)[A-Z]\w+)", "A"),
    "DiskArbitration": (r"k?DA[A-Z]\w+", "A"),
    "Foundation": (r"NS[A-Z]\w+", "C"),
    "IOKit": (r"k?IO[A-Z]\w+", "A"),
    "OpenDirectory": (r"k?OD[A-Z]\w+", "A"),
    "Security": (r"k?(Sec|SSL|CMS|Authorization)[A-Z]\w+|errSec\w+", "A"),
    "SystemConfiguration": (r"k?SC[A-Z]\w+", "A"),
}
LIBRARIES = {
    "charset": (r"locale_charset", "libcharset.1"),
    "iconv": (r"(lib)?iconv\w*", "libiconv.2"),
    "objc": (r"(objc|class|object|sel|method|ivar|protocol|property|imp)_[a-z]\w*|_objc_empty_cache", "libobjc.A"),
    "resolv": (r"res_\w+", "libresolv.9"),
}
# The standard library asks for these, and is no crate of the list.
OF_STD = {"iconv", "iconv_open", "iconv_close", "iconvctl", "locale_charset", "res_9_init"}
TARGETS = "x86_64-macos, arm64-macos, arm64e-macos"
# Large crates that call nothing of Apple's.
SILENT = re.compile(r"aws-|windows|tokio$|hyper|serde|syn$|regex|proptest")


def mentioned(packages):
    """Every name in the sources of these packages."""
    names = set(OF_STD)
    for package in packages:
        if SILENT.match(package["name"]):
            continue
        folder = pathlib.Path(package["manifest_path"]).parent
        # Our own folder holds what was built, too.
        for file in (folder if package["source"] else folder / "src").rglob("*.rs"):
            names |= set(re.findall(r"[A-Za-z_]\w+", file.read_text(encoding="utf-8", errors="replace")))
    return names


def write(path, installed, names, pattern):
    symbols = sorted("_" + name for name in names if re.fullmatch(pattern, name))
    lines = ["--- !tapi-tbd", "tbd-version: 4", f"targets: [ {TARGETS} ]", f"install-name: '{installed}'"]
    lines += ["current-version: 1", "compatibility-version: 1"]
    if symbols:
        lines += ["exports:", f"  - targets: [ {TARGETS} ]", f"    symbols: [ {', '.join(symbols)} ]"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, "...", ""]), encoding="utf-8")


def main():
    root = pathlib.Path(sys.argv[1])
    names = mentioned(json.load(sys.stdin)["packages"])
    for framework, (pattern, version) in FRAMEWORKS.items():
        folder = f"System/Library/Frameworks/{framework}.framework"
        write(root / folder / f"{framework}.tbd", f"/{folder}/Versions/{version}/{framework}", names, pattern)
    for library, (pattern, installed) in LIBRARIES.items():
        write(root / "usr/lib" / f"lib{library}.tbd", f"/usr/lib/{installed}.dylib", names, pattern)


if __name__ == "__main__":
    main()
