use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn stopping_and_going_down_are_a_stop_and_two_controls_are_a_reload() {
    for control in [1, 5, 15] {
        assert_eq!(asked(control), Some(Asked::Stop), "{control}");
    }
    for control in [6, 128] {
        assert_eq!(asked(control), Some(Asked::Reload), "{control}");
    }
    assert_eq!(asked(4), Some(Asked::Nothing));
    for control in [2, 3, 11, 129, 255] {
        assert_eq!(asked(control), None, "{control}");
    }
}

#[test]
fn a_service_that_stops_shows_progress_until_its_time_is_over() {
    let at = |seconds| report(Phase::Stopping, SECOND * seconds, SECOND * 10);
    let (first, later, late, hanging) = (at(0), at(7), at(15), at(60));
    assert_eq!((first.state, first.accepted, first.checkpoint), (3, 0, 1));
    assert!(first.hint >= SECOND * 10, "what agent.shutdown_seconds allows");
    assert!(later.checkpoint > first.checkpoint && later.hint < first.hint);
    assert_eq!(late.checkpoint, hanging.checkpoint, "no progress is made up");
    assert!(hanging.hint > Duration::ZERO);
}

#[test]
fn a_service_that_runs_takes_a_stop_a_reload_and_the_end_of_the_system() {
    let running = report(Phase::Running, SECOND, SECOND);
    assert_eq!((running.state, running.accepted), (4, 0x109));
    assert_eq!((running.checkpoint, running.hint), (0, Duration::ZERO));
    let starting = report(Phase::Starting, SECOND, SECOND * 30);
    assert_eq!((starting.state, starting.checkpoint), (2, 2));
}

#[test]
fn an_exit_code_of_ours_is_told_as_ours() {
    let codes = |code| {
        let report = report(Phase::Ended(code), SECOND, SECOND);
        (report.state, report.exit_code, report.own_exit_code)
    };
    assert_eq!(codes(0), (1, 0, 0));
    assert_eq!(codes(78), (1, 1066, 78));
}

#[test]
fn only_what_may_get_better_by_itself_looks_like_a_crash() {
    assert_eq!(end_of(0, false, false), End::Told(0));
    assert_eq!(end_of(78, true, false), End::Told(78), "a configuration with errors is not tried again");
    assert_eq!(end_of(1, false, false), End::Untold);
    assert_eq!(end_of(1, false, true), End::Told(1), "it was to stop");
}

#[test]
fn what_the_manager_says_is_read_as_it_was_told() {
    assert_eq!(now(4, 7, 0, 0), Now::Running { pid: 7 });
    assert_eq!(now(1, 0, 1066, 78), Now::Stopped { last_exit: Some(78) });
    assert_eq!(now(1, 0, 1067, 0), Now::Stopped { last_exit: Some(1067) });
    assert_eq!(now(1, 0, 1077, 0), Now::Stopped { last_exit: None }, "never started");
    assert_eq!(now(1, 0, 0, 0), Now::Stopped { last_exit: None });
    assert_eq!((now(2, 7, 0, 0), now(3, 7, 0, 0)), (Now::Starting, Now::Stopping));
}

/// As the start-up code of a C program cuts a command line.
fn cut(line: &str) -> Vec<String> {
    let (mut words, mut word, mut inside, mut some, mut slashes) = (vec![], String::new(), false, false, 0);
    for c in line.chars() {
        match c {
            '\\' => {
                slashes += 1;
                continue;
            }
            '"' => {
                word.extend(std::iter::repeat_n('\\', slashes / 2));
                some = true;
                if slashes % 2 == 1 {
                    word.push('"');
                } else {
                    inside = !inside;
                }
            }
            c => {
                word.extend(std::iter::repeat_n('\\', slashes));
                if c.is_whitespace() && !inside {
                    if some || slashes > 0 {
                        words.push(std::mem::take(&mut word));
                    }
                    some = false;
                } else {
                    word.push(c);
                    some = true;
                }
            }
        }
        slashes = 0;
    }
    word.extend(std::iter::repeat_n('\\', slashes));
    if some || slashes > 0 {
        words.push(word);
    }
    words
}

#[test]
fn each_word_of_a_command_line_arrives_as_it_is() {
    let program = r"C:\Program Files\Amazon\p.exe";
    let line = command_line([program, "run", r"D:\my data\c.json"]);
    assert_eq!(line, r#""C:\Program Files\Amazon\p.exe" run "D:\my data\c.json""#);
    for words in [
        vec![program, "run"],
        vec![r"C:\p.exe", "", "a b", r"a\b", r"a b\", r#"say "so""#, r#"\""#, r#"a \\" b"#, r"\\host\share x\\"],
    ] {
        assert_eq!(cut(&command_line(words.iter().copied())), words);
    }
    assert!(command_line([r"C:\p.exe"]).starts_with('"'), "the program is quoted always");
}
