#!/usr/bin/env python3
"""The linker of programs for macOS on another system: zig, told once about each library.

rustc names a library for each crate that wants it. zig writes one load command for each mention, and newer versions of macOS do not
start a program that loads a library twice.
"""
import os
import subprocess
import sys

WITH_A_VALUE = {"-arch", "-isysroot", "-target", "-mmacosx-version-min"}
TOLD_OTHERWISE = ("--target=", "-mmacosx-version-min=", "-mtargetos=")
# zig links the system's own library by itself.
IMPLIED = {"-lSystem", "-lc", "-lm"}


def words(arguments):
    """The arguments, those in response files (one each line, with backslashes) included."""
    for argument in arguments:
        if argument.startswith("@") and os.path.isfile(argument[1:]):
            with open(argument[1:], encoding="utf-8") as file:
                for line in file:
                    yield line.rstrip("\n").replace("\\ ", " ").replace("\\\\", "\\")
        else:
            yield argument


def once(arguments):
    """Without what zig is told otherwise, and each library and framework at its first mention alone."""
    known = set()
    arguments = iter(arguments)
    for word in arguments:
        if word in WITH_A_VALUE:
            next(arguments, None)
        elif word == "-framework":
            name = next(arguments, "")
            if (word, name) not in known:
                known.add((word, name))
                yield from (word, name)
        elif word.startswith("-l"):
            if word not in IMPLIED and word not in known:
                known.add(word)
                yield word
        elif not word.startswith(TOLD_OTHERWISE):
            yield word


def main():
    sdk = os.environ["SDKROOT"]
    command = [os.environ["CROSS_ZIG"], "cc", "-target", os.environ["CROSS_ZIG_TARGET"]]
    command += [f"-F{sdk}/System/Library/Frameworks", f"-L{sdk}/usr/lib"]
    sys.exit(subprocess.call(command + list(once(words(sys.argv[1:])))))


if __name__ == "__main__":
    main()
