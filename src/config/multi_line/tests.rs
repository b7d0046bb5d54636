use super::*;
use crate::config::settings::text::TextRules;

/// The lines of a log, gathered to events by a preset.
fn events(preset: &str, log: &str) -> Vec<String> {
    gathered(preset_of(preset).expect("a preset"), log)
}

fn gathered(multi_line: MultiLine, log: &str) -> Vec<String> {
    let rules = TextRules { multi_line, ..TextRules::default() };
    let mut events: Vec<String> = vec![];
    for line in log.lines() {
        match events.last_mut() {
            Some(event) if !rules.starts_event(line.as_bytes()) => *event += &format!("\n{line}"),
            _ => events.push(line.into()),
        }
    }
    events
}

/// How many lines each event has.
#[track_caller]
fn check(preset: &str, log: &str, lines: &[usize]) {
    let events = events(preset, log);
    assert_eq!(events.iter().map(|event| event.split('\n').count()).collect::<Vec<_>>(), lines, "{events:#?}");
}

#[test]
fn every_preset_that_is_offered_exists() {
    assert!(PRESETS.iter().all(|name| preset_of(name).is_some()));
    assert!(preset_of("cobol").is_none());
}

#[test]
fn by_the_agents_default_indented_and_empty_lines_belong_to_the_event_before() {
    let default = MultiLine::Start(own(NOT_INDENTED));
    assert_eq!(gathered(default.clone(), "one\n two\n\tthree\n\nfour\nfive"), ["one\n two\n\tthree\n", "four", "five"]);
    let rules = TextRules { multi_line: default, ..TextRules::default() };
    assert!(rules.starts_event(b"\xffno UTF-8") && rules.starts_event("\u{a0}x".as_bytes()));
    assert!(!rules.starts_event(b"") && !rules.starts_event(b"\r"));
}

#[test]
fn a_java_trace_with_its_causes_is_one_event() {
    check(
        "java",
        "2026-01-31 12:00:00,123 ERROR [main] o.e.Shop - order 7 failed
java.lang.IllegalStateException: no stock
\tat org.example.Shop.order(Shop.java:42) ~[shop.jar:1.0]
\tat org.example.Main.main(Main.java:7)
Caused by: java.sql.SQLException: connection refused
\tat org.example.Db.open(Db.java:9)
\t... 2 more
\tSuppressed: java.io.IOException: while closing
\t\tat org.example.Db.close(Db.java:19)
Caused by: java.net.ConnectException
\t... 12 common frames omitted
2026-01-31 12:00:01,000 INFO  [main] o.e.Shop - next
java.lang is a package, said a plain line
Exception in thread \"main\" java.lang.NullPointerException: Cannot invoke \"String.length()\"
\tat org.example.Main.main(Main.java:3)",
        &[11, 1, 1, 2],
    );
}

#[test]
fn a_python_traceback_with_what_it_was_raised_from_is_one_event() {
    check(
        "python",
        "2026-01-31 12:00:00,123 ERROR shop: order failed
Traceback (most recent call last):
  File \"/srv/shop.py\", line 4, in order
    return stock[item]
           ~~~~~^^^^^^
KeyError: 'apple'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"/srv/shop.py\", line 9, in <module>
    order('apple')
  File \"/srv/shop.py\", line 6, in order
    raise shop.errors.OutOfStock('apple') from None
shop.errors.OutOfStock: apple

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \"/srv/main.py\", line 1, in <module>
requests.exceptions.ConnectTimeout: HTTPConnectionPool(host='db')
INFO:root:next
WARNING: this is a log line
Listening on 0.0.0.0:8000",
        &[21, 1, 1, 1],
    );
    check(
        "python",
        "ERROR x\n  + Exception Group Traceback (most recent call last):\n  | ExceptionGroup: two (2 sub-exceptions)\n  +-+---------------- 1 ----------------\nKeyboardInterrupt\nSystemExit: 1\ndone",
        &[6, 1],
    );
}

#[test]
fn a_go_panic_with_its_goroutines_is_one_event() {
    check(
        "go",
        "2026/01/31 12:00:00 listening on :8080
panic: runtime error: invalid memory address or nil pointer dereference [recovered]
\tpanic: again
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48f0a5]

goroutine 1 [running]:
panic({0x4a0f20?, 0x52e1a0?})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
main.(*Shop).Order(0x0, {0x4b1c0e, 0x5})
\t/srv/shop/main.go:12 +0x45
net/http.(*conn).serve(0xc000132000, {0x6d2c78, 0xc00011a9f0})
\t/usr/local/go/src/net/http/server.go:2009 +0x5f4
main.Map[...](...)
\t/srv/shop/map.go:7
...additional frames elided...
created by main.main in goroutine 1
\t/srv/shop/main.go:20 +0x25

goroutine 18 [chan receive, locked to thread]:
github.com/example/shop/store.(*Db).loop.func1()
\t/srv/shop/store/db.go:30 +0x1d
exit status 2
2026/01/31 12:00:02 listening on :8080
fatal error: all goroutines are asleep - deadlock!

goroutine 1 [select (no cases)]:
main.main()
\t/srv/shop/main.go:5 +0x1d",
        &[1, 21, 1, 5],
    );
    check(
        "go",
        "http: panic serving 10.0.0.1:5000: boom\ngoroutine 5 [running]:\nmain.f()\n\t/x.go:1\n{\"level\":\"info\"}\nlevel=info msg=\"f(x)\"\nrax    0x0\n",
        &[4, 1, 2],
    );
}

#[test]
fn a_rust_panic_with_its_message_and_backtrace_is_one_event() {
    check(
        "rust",
        "2026-01-31T12:00:00.123456Z  INFO shop: listening
\u{1b}[2m2026-01-31T12:00:01.000000Z\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m shop: order

thread 'tokio-runtime-worker' (4711) panicked at src/shop.rs:42:9:
assertion `left == right` failed: stock differs
  left: 1
 right: 2
stack backtrace:
   0: rust_begin_unwind
             at /rustc/0/library/std/src/panicking.rs:692:5
   1: core::panicking::panic_fmt
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
[2026-01-31T12:00:02Z WARN  shop] next
thread 'main' panicked at src/main.rs:3:37:
called `Option::unwrap()` on a `None` value
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
Error: cannot open the shop

Caused by:
    0: the key does not fit
    1: No such file or directory (os error 2)
{\"level\":\"INFO\"}
thread 'main' has overflowed its stack
fatal runtime error: stack overflow",
        &[1, 2, 9, 1, 3, 5, 1, 2],
    );
}

#[test]
fn a_dotnet_exception_with_inner_ones_is_one_event() {
    check(
        "dotnet",
        "2026-01-31 12:00:00.123 +00:00 [ERR] Order failed
System.AggregateException: One or more errors occurred. (No stock)
 ---> System.InvalidOperationException: No stock
   at Shop.Order(Int32 id) in /srv/Shop.cs:line 42
   --- End of inner exception stack trace ---
   at Program.<Main>$(String[] args) in /srv/Program.cs:line 3
---> (Inner Exception #1) System.TimeoutException: late
   at Shop.Wait()
--- End of stack trace from previous location ---
   at Shop.Retry()
2026-01-31 12:00:01.000 +00:00 [INF] next
fail: Shop.Worker[7]
      Order failed
      System.Exception: boom
         at Shop.Order(Int32 id)
info: Shop.Worker[0]
Unhandled exception. System.IO.FileNotFoundException: Could not load
File name: 'x'
   at Program.Main()",
        &[10, 1, 4, 1, 1, 2],
    );
    check(
        "dotnet",
        "crit: x\nSystem.Runtime.InteropServices.COMException (0x80004005): Unspecified\n   at A.B()\nok",
        &[3, 1],
    );
}
