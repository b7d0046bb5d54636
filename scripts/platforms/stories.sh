# shellcheck shell=bash disable=SC2034,SC2154
# For `scripts/cross story`: stories of tests/it, told on this machine, with the daemon on the emulated one.

# A round through all that the daemon does: start, collect, publish, stop in order; rotation; kills; reload; metrics of the host.
story_filters() {
    case $triple in
    *-windows-*) printf '%s\n' delivery::the_thirteen delivery::each_file ;;
    *) printf '%s\n' delivery:: lifecycle:: crash:: first_steps:: ;;
    esac
}

# Those that an emulator cannot tell.
story_skips() {
    :
}

story() {
    local filters=() skips=() line binary words
    if (($# > 0)); then
        filters=("$@")
    else
        while read -r line; do filters+=("$line"); done < <(story_filters)
    fi
    while read -r line; do skips+=(--skip "$line"); done < <(story_skips)
    # Apart, for the tests themselves belong to this machine and its own Rust.
    (build_program)
    binary=$target_folder/$triple/$(profile_folder)/amazon-cloudwatch-publisher
    [[ -e $binary ]] || binary=$binary.exe
    words=$(prepare_run && printf '%s' "${runner[*]-}")
    say "telling stories with ${words:+$words }$binary"
    cd -- "$root" || return
    [[ $triple != *-windows-* ]] || export PUBLISHER_TEST_DRIVE=Z:
    PUBLISHER_TEST_BINARY=$binary PUBLISHER_TEST_RUNNER=$words \
        cargo test --locked --test it -- --test-threads="${CROSS_THREADS:-2}" "${filters[@]}" ${skips[@]+"${skips[@]}"}
}

build_program() {
    local glibc verb=build
    prepare_build
    [[ ${cargo[0]} != *zigbuild ]] || verb=zigbuild
    run_cargo "$verb" --profile "${CROSS_PROFILE:-dev}" --bin amazon-cloudwatch-publisher
}

profile_folder() {
    local profile=${CROSS_PROFILE:-dev}
    [[ $profile != dev ]] || profile=debug
    printf '%s\n' "$profile"
}
