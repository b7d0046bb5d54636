//! Processes of machines of several kinds, in the forms of their kernels, written into folders as `/proc` and the control groups have them.
use super::{procfs::Proc, text::Scale, *};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A small ARM board with pages of 4 KiB.
const SCALE: Scale = Scale { ticks: 100, page: 4096 };

/// The files of one process and their text.
type Files<'a> = &'a [(&'a str, &'a [u8])];

fn tree(processes: &[(u32, Files<'_>)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder of our own");
    for (pid, files) in processes {
        for (name, text) in *files {
            let path = folder.path().join(format!("{pid}/{name}"));
            fs::create_dir_all(path.parent().expect("below the process")).expect("made");
            fs::write(path, text).expect("written");
        }
    }
    folder
}

fn proc_of(folder: &Path) -> Proc {
    Proc::new(folder, folder, SCALE, false)
}

fn read(files: Files<'_>, wanted: Wanted) -> Option<Process> {
    let folder = tree(&[(7, files)]);
    proc_of(folder.path()).read(7, wanted)
}

const ALL: Wanted = Wanted { memory: true, status: true, swap: true, io: true, descriptors: true, limits: true };

/// Composed by `proc(5)` with what Linux 6.12 has (Raspberry Pi OS 13, ARM of 64 bits): a database that hears on sockets.
const PI: Files<'static> = &[
    ("stat", b"812 (postgres) S 1 812 812 0 -1 4194560 5021 318044 11 96 412 1377 3051 920 20 0 1 0 1893 223657984 7021 18446744073709551615 187651158245376 187651167293796 281474354049264 0 0 0 0 19935232 84487 0 0 0 17 2 0 0 38 0 0 187651167360960 187651167524412 187651579711488 281474354052795 281474354052874 281474354052874 281474354053073 0\n"),
    ("statm", b"54604 7021 6204 2203 0 773 0\n"),
    ("cmdline", b"/usr/lib/postgresql/17/bin/postgres\0-D\0/var/lib/postgresql/17/main\0-c\0config_file=/etc/postgresql/17/main/postgresql.conf\0"),
    ("status", b"Name:\tpostgres\nUmask:\t0077\nState:\tS (sleeping)\nTgid:\t812\nVmPeak:\t  218416 kB\nVmSize:\t  218416 kB\nVmLck:\t       4 kB\nVmRSS:\t   28084 kB\nVmData:\t    3092 kB\nVmStk:\t     132 kB\nVmSwap:\t     512 kB\nThreads:\t1\nSigQ:\t0/14730\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000004001\nSigBlk:\t0000000000000000\nvoluntary_ctxt_switches:\t48712\nnonvoluntary_ctxt_switches:\t1930\nx86_Thread_features:\t\n"),
    ("smaps_rollup", b"aaaac8f60000-ffffd4c2f000 ---p 00000000 00:00 0                          [rollup]\nRss:               28084 kB\nPss:               11020 kB\nSwap:               1024 kB\nSwapPss:             300 kB\nLocked:                0 kB\n"),
    ("io", b"rchar: 912004\nwchar: 77120\nsyscr: 4411\nsyscw: 902\nread_bytes: 21557248\nwrite_bytes: 585728\ncancelled_write_bytes: 8192\n"),
    ("limits", b"Limit                     Soft Limit           Hard Limit           Units     \nMax cpu time              unlimited            unlimited            seconds   \nMax file size             unlimited            unlimited            bytes     \nMax data size             unlimited            unlimited            bytes     \nMax stack size            8388608              unlimited            bytes     \nMax core file size        0                    unlimited            bytes     \nMax resident set          unlimited            unlimited            bytes     \nMax processes             14730                14730                processes \nMax open files            1024                 524288               files     \nMax locked memory         8388608              8388608              bytes     \nMax address space         unlimited            68719476736          bytes     \nMax file locks            unlimited            unlimited            locks     \nMax pending signals       14730                14730                signals   \nMax msgqueue size         819200               819200               bytes     \nMax nice priority         0                    40                   \nMax realtime priority     0                    99                   \nMax realtime timeout      unlimited            unlimited            us        \n"),
    ("fd/0", b""),
    ("fd/1", b""),
    ("fd/12", b""),
];

#[test]
fn everything_that_a_process_uses_is_read_from_its_files() {
    let process = read(PI, ALL).expect("it runs");
    assert_eq!((process.name.as_str(), process.started), ("postgres", 1893));
    assert_eq!((process.user, process.system, process.waiting), (Some(4.12), Some(13.77), Some(0.38)));
    assert_eq!((process.resident, process.address_space), (Some(7021 * 4096), Some(223_657_984)));
    assert_eq!((process.data, process.locked, process.stack), (Some(3092 << 10), Some(4 << 10), Some(132 << 10)));
    assert_eq!((process.threads, process.nice, process.realtime), (Some(1), Some(0), Some(0)));
    assert_eq!(process.pending, Some(2), "two kinds of signals, whatever their numbers");
    assert_eq!((process.voluntary, process.involuntary), (Some(48_712), Some(1_930)));
    assert_eq!((process.reads, process.writes), (Some(4_411), Some(902)));
    assert_eq!((process.bytes_read, process.bytes_written), (Some(21_557_248), Some(585_728)));
    assert_eq!(process.descriptors, Some(3));
    assert_eq!(process.swap, Some(1 << 20), "with its shared memory");
}

#[test]
fn what_is_resident_is_taken_from_where_the_kernel_counts_exactly() {
    let stat = b"5 (db) S 1 5 5 0 -1 0 0 0 0 0 1 2 0 0 20 0 3 0 77 4096000 900\n";
    let resident = |statm: &[u8]| read(&[("stat", stat), ("statm", statm)], ALL).expect("it runs").resident;
    assert_eq!(resident(b"1000 930 800 1 0 90 0\n"), Some(930 * 4096));
    assert_eq!(resident(b"x"), Some(900 * 4096));
    assert_eq!(read(&[("stat", stat)], ALL).expect("it runs").resident, Some(900 * 4096));
}

#[test]
fn limits_are_read_with_and_without_a_unit_and_unlimited_has_no_number() {
    let limits = read(PI, ALL).expect("it runs").limits;
    assert_eq!(limits.len(), 11);
    let of = |on| limits.iter().find(|limit| limit.on == on).map(|limit| (limit.soft, limit.hard)).expect("there");
    assert_eq!(of(Resource::CpuTime), (None, None));
    assert_eq!(of(Resource::Descriptors), (Some(1024), Some(524_288)));
    assert_eq!(of(Resource::AddressSpace), (None, Some(64 << 30)));
    assert_eq!(of(Resource::Nice), (Some(0), Some(40)));
    assert_eq!(of(Resource::Realtime), (Some(0), Some(99)));
}

#[test]
fn what_nobody_wants_is_not_read() {
    let process = read(PI, Wanted::default()).expect("it runs");
    assert_eq!((process.data, process.swap, process.reads, process.descriptors), (None, None, None, None));
    assert!(process.limits.is_empty());
    assert!(process.resident.is_some() && process.user.is_some() && process.threads.is_some(), "all of one file");
}

#[test]
fn what_may_not_be_read_is_missing_and_nothing_else_is() {
    // `io`, `fd` and `smaps_rollup` of others are refused.
    let files: Vec<_> = PI.iter().filter(|(name, _)| matches!(*name, "stat" | "cmdline" | "status")).copied().collect();
    let process = read(&files, ALL).expect("it runs");
    assert_eq!((process.reads, process.bytes_read, process.descriptors), (None, None, None));
    assert_eq!(process.swap, Some(512 << 10), "its own pages");
    assert_eq!(process.data, Some(3092 << 10));
}

#[test]
fn older_kernels_have_fewer_fields() {
    // As of Linux 3.10 (CentOS 7) and 2.6.32 (44 fields), a kernel without delay accounting and without capital letters in names.
    let old = b"2211 (sshd) S 1 2211 2211 0 -1 4202816 1017 2205 0 1 2 9 4 7 20 0 1 0 4120 115486720 1077 18446744073709551615 140212 140999 140733 140733 139983 0 0 4096 81925 18446744071581662179 0 0 17 0 0 0 0 0 0\n";
    let process = read(&[("stat", old)], ALL).expect("it runs");
    assert_eq!((process.name.as_str(), process.started, process.waiting), ("sshd", 4120, Some(0.0)));
    let older = b"1 (init) S 0 1 1 0 -1 4202752 1017 2205 0 1 2 9 4 7 20 0 1 0 4 19808256 377";
    let process = read(&[("stat", older)], ALL).expect("it runs");
    assert_eq!((process.resident, process.realtime, process.waiting), (Some(377 * 4096), None, None));
}

#[test]
fn a_thread_of_the_kernel_has_neither_memory_nor_a_command_line() {
    // As of Linux 6.1 on an ARM of 32 bits; the name is longer than a program's may be.
    let files: Files<'_> = &[
        ("stat", b"37 (kworker/u9:0-events_unbound) I 2 0 0 0 -1 69238880 0 0 0 0 0 51 0 0 0 -20 1 0 32 0 0 4294967295 0 0 0 0 0 0 0 2147483647 0 0 0 0 17 3 0 0 0 0 0 0 0 0 0 0 0 0 0\n"),
        ("cmdline", b""),
        ("status", b"Name:\tkworker/u9:0-events_unbound\nThreads:\t1\nShdPnd:\t0000000000000000\n"),
    ];
    let process = read(files, ALL).expect("it runs");
    assert_eq!(process.name, "kworker/u9:0-events_unbound");
    assert_eq!((process.resident, process.data, process.nice), (Some(0), None, Some(-20)));
}

#[test]
fn one_that_ended_and_waits_for_its_parent_is_not_there() {
    let zombie = b"99 (sh) Z 1 99 99 0 -1 4227084 0 0 0 0 0 0 0 0 20 0 1 0 500 0 0 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n";
    assert_eq!(read(&[("stat", zombie)], ALL), None);
    assert_eq!(read(&[], ALL), None);
}

#[test]
fn a_name_may_have_parentheses_spaces_and_ends_of_lines() {
    let text = b"5 (a) R 1 (x\n) S 1 5 5 0 -1 0 0 0 0 0 100 200 0 0 20 0 3 0 77 4096 1\n";
    let process = read(&[("stat", text)], ALL).expect("it runs");
    assert_eq!((process.name.as_str(), process.started, process.threads), ("a) R 1 (x\n", 77, Some(3)));
}

#[test]
fn a_name_that_the_kernel_cut_is_taken_whole_from_the_command_line() {
    let stat = b"5 (amazon-cloudwat) S 1 5 5 0 -1 0 0 0 0 0 1 2 0 0 20 0 3 0 77 4096 1\n";
    let named = |command: &[u8]| read(&[("stat", stat), ("cmdline", command)], ALL).expect("it runs").name;
    assert_eq!(named(b"/opt/aws/bin/amazon-cloudwatch-agent\0-config\0x"), "amazon-cloudwatch-agent");
    assert_eq!(named(b"python3\0/usr/bin/amazon-cloudwatch-thing\0"), "amazon-cloudwat", "another program runs it");
    assert_eq!(named(b""), "amazon-cloudwat");
}

#[test]
fn hostile_text_has_no_value_and_never_panics() {
    let good = PI[0].1;
    let mut texts: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    texts.extend([b"".to_vec(), b")(".to_vec(), b"1 )x( S".to_vec(), vec![0xff; 300], b"1 (\xff\xfe) S 1".to_vec()]);
    texts.push(
        b"1 (a) S 99999999999999999999 -1 -1 x x x x x x x -1 1e9 0 0 20 0 -5 0 7 -1 99999999999999999999".to_vec(),
    );
    for text in &texts {
        let files: Files<'_> = &[
            ("stat", text),
            ("statm", text),
            ("status", text),
            ("io", text),
            ("limits", text),
            ("cmdline", text),
            ("smaps_rollup", text),
        ];
        read(files, ALL);
    }
    let mut process = Process::default();
    text::status(b"VmData:\t18446744073709551615 kB\nVmLck: kB\nShdPnd:\tzz\n:\n\xff: 1\n", &mut process);
    text::io(b"syscr: -1\nread_bytes:\nwrite_bytes: 5\nwrite_bytes: x", &mut process);
    assert_eq!(process, Process::default());
    let odd = text::limits(
        b"Max open files  many 12 files\nMax open files 1\nMax nice priority 1 2\nMax cpu timeunlimited 3",
    );
    assert_eq!(odd.iter().map(|limit| limit.on).collect::<Vec<_>>(), [Resource::Nice, Resource::CpuTime]);
}

fn found(proc: &mut Proc, what: Text) -> Vec<(u32, String)> {
    let pids = proc.list().expect("listed");
    proc.column(what, &pids).rows().map(|(pid, text)| (pid, text.to_owned())).collect()
}

#[test]
fn command_lines_are_words_between_spaces() {
    let folder = tree(&[
        (30, &[("cmdline", b"nginx: master process /usr/sbin/nginx -g daemon on;\0\0\0\0")]),
        (2, &[("cmdline", b"")]),
        (100, &[("cmdline", b"/bin/sh\0-c\0\0echo \xff\0")]),
        (4_000_000_000, &[("stat", b"")]),
    ]);
    fs::create_dir(folder.path().join("sys")).expect("made");
    fs::write(folder.path().join("uptime"), "1.0 1.0").expect("written");
    let mut proc = proc_of(folder.path());
    let commands = found(&mut proc, Text::Command);
    let expected =
        [(2, ""), (30, "nginx: master process /usr/sbin/nginx -g daemon on;"), (100, "/bin/sh -c echo \u{fffd}")];
    assert_eq!(commands, expected.map(|(pid, text)| (pid, text.to_owned())));
}

#[test]
fn a_very_long_command_line_is_read_to_a_bound() {
    let long = vec![b'x'; 1 << 20];
    let folder = tree(&[(3, &[("cmdline", &long)]), (4, &[("cmdline", b"short\0")])]);
    let mut proc = proc_of(folder.path());
    let lengths: Vec<_> = found(&mut proc, Text::Command).iter().map(|(_, text)| text.len()).collect();
    assert_eq!(lengths, [128 * 1024, 5]);
}

#[cfg(unix)]
#[test]
fn a_program_that_was_replaced_is_still_found_by_its_path() {
    let folder = tree(&[(3, &[("stat", b"")]), (4, &[("stat", b"")]), (5, &[("stat", b"")])]);
    let link = |pid: u32, to: &str| {
        std::os::unix::fs::symlink(to, folder.path().join(format!("{pid}/exe"))).expect("made");
    };
    link(3, "/usr/sbin/nginx (deleted)");
    link(5, "/usr/bin/mono-sgen");
    let mut proc = proc_of(folder.path());
    let all = found(&mut proc, Text::Executable);
    assert_eq!(all, [(3, "/usr/sbin/nginx".to_owned()), (5, "/usr/bin/mono-sgen".to_owned())]);
}

#[test]
fn what_is_refused_is_counted_and_what_ended_is_not() {
    let column = Column::of(&[1, 2, 3], |pid, text| {
        text.push_str("half");
        match pid {
            1 => Err(io::ErrorKind::PermissionDenied.into()),
            2 => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(()),
        }
    });
    assert_eq!((column.rows().collect::<Vec<_>>(), column.hidden), (vec![(3, "half")], 1));
}

#[test]
fn the_arguments_of_a_mac_end_before_its_environment() {
    let answer = |count: i32, rest: &[u8]| [&count.to_ne_bytes(), rest].concat();
    let whole = answer(2, b"/bin/cat\0\0\0\0cat\0file\0SECRET=1\0");
    assert_eq!(text::first_arguments(&whole), b"cat\0file");
    assert_eq!(text::first_arguments(&answer(0, b"/bin/cat\0\0SECRET=1\0")), b"");
    assert_eq!(text::first_arguments(&answer(-1, b"/bin/cat\0\0SECRET=1\0")), b"");
    assert_eq!(text::first_arguments(&answer(3, b"/bin/cat\0cat")), b"cat");
    for short in [&b""[..], b"\x01\0\0", b"\x01\0\0\0"] {
        assert_eq!(text::first_arguments(short), b"");
    }
}

fn group(root: &Path, path: &str, pids: &str) -> PathBuf {
    let folder = root.join(path);
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join("cgroup.procs"), pids).expect("written");
    folder
}

#[test]
fn a_unit_has_the_processes_of_its_group_and_of_those_below() {
    // Version 2, as Debian 12 has it; version 1 beside its controllers, as Ubuntu 18.04 and Amazon Linux 2.
    for top in ["", "systemd"] {
        let folder = tempfile::tempdir().expect("a folder of our own");
        let root = folder.path().join(top);
        group(&root, "system.slice/nginx.service", "812\n813\n");
        group(&root, "system.slice/docker.service", "0\n40\n");
        group(&root, "system.slice/docker.service/inner/deeper", "41\n40\nx\n");
        group(&root, "system.slice/system-getty.slice/getty@tty1.service", "9\n");
        group(&root, "apps.slice/apps-web.slice/web.service", "77\n");
        group(&root, "system.slice/_cpu.service", "5\n");
        group(&root, "user.slice", "");
        group(&root, "user.slice/user-1000.slice/session-3.scope", "6\n");
        let of = |unit| units::processes(folder.path(), unit).expect(unit);
        assert_eq!(of("nginx.service"), Some(vec![812, 813]));
        assert_eq!(of("nginx"), Some(vec![812, 813]));
        assert_eq!(of("docker"), Some(vec![40, 41]));
        assert_eq!(of("getty@tty1"), Some(vec![9]));
        assert_eq!(of("web"), Some(vec![77]));
        assert_eq!(of("cpu"), Some(vec![5]));
        assert_eq!(of("session-3.scope"), Some(vec![6]));
        assert_eq!(of("user.slice"), Some(vec![6]));
        assert_eq!(of("gone"), None);
        assert_eq!(of("../system.slice/nginx.service"), None);
    }
}

#[test]
fn without_systemd_a_unit_is_not_supported() {
    let folder = tempfile::tempdir().expect("a folder of our own");
    group(folder.path(), "docker/abc", "1\n");
    let error = units::processes(folder.path(), "nginx").expect_err("no units");
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("system.slice"), "{error}");
}

#[test]
fn a_look_at_all_processes_finds_this_one() {
    let mut census = Census::new();
    let own = std::process::id();
    for what in [Text::Executable, Text::Command] {
        // The name of this program ends like its crate's, and a number.
        let found = census.find(what, &|text| text.contains("amazon_cloudwatch_publisher")).expect("listed");
        assert!(found.pids.contains(&own), "{what:?} {found:?}");
    }
    let process = census.read(own, ALL).expect("alive");
    assert!(process.name.starts_with("amazon_cloudwatch_publisher"), "{}", process.name);
    assert!(process.resident > Some(0) && process.started > 0, "{process:?}");
    census.renew();
    assert!(census.find(Text::Command, &|_| true).expect("listed").pids.contains(&own));
}
