# shellcheck shell=bash disable=SC2034,SC2154
# For `scripts/cross story`: stories of tests/it, told on this machine, with the daemon on the emulated one.

# A round through what the daemon does: start, collect, publish, stop in order; rotation; kills; reload. Under wine those that
# neither stop the daemon in order (see wine-launch.c) nor ask for its status (on Windows it has no socket).
story_filters() {
    case $triple in
    *-windows-*) printf '%s\n' delivery::{the_first_gauges,a_great_log,lines_over_the_limit,a_rotation_by_copying} ;;
    *) printf '%s\n' delivery:: lifecycle:: crash:: patterns:: clock:: first_steps:: ;;
    esac
}

# Of these, those that an emulator cannot tell; whoever names stories gets what was named.
story_skips() {
    # As another user, who may not see the emulator where it lies.
    printf '%s\n' first_steps::the_group_of_the_daemon_may_ask
}

story() {
    local filters=() skips=() line binary words slowness=1
    if (($# > 0)); then
        filters=("$@")
    else
        while read -r line; do filters+=("$line"); done < <(story_filters)
        while read -r line; do skips+=(--skip "$line"); done < <(story_skips)
    fi
    # Apart, for the tests themselves belong to this machine and its own Rust.
    (build_program)
    binary=$target_folder/$triple/$(profile_folder)/amazon-cloudwatch-publisher
    [[ -e $binary ]] || binary=$binary.exe
    words=$(prepare_run && printf '%s' "${runner[*]-}")
    say "telling stories with ${words:+$words }$binary"
    cd -- "$root" || return
    [[ $triple != *-windows-* ]] || export PUBLISHER_TEST_DRIVE=Z:
    # Who writes logs waits for the emulated daemon: what was removed between a kill and the next look nobody can read.
    [[ -z $words ]] || slowness=10
    PUBLISHER_TEST_BINARY=$binary PUBLISHER_TEST_RUNNER=$words PUBLISHER_TEST_SLOWNESS=${CROSS_SLOWNESS:-$slowness} \
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
