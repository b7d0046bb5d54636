use super::{
    streams::{LONGEST, Lines},
    *,
};
use crate::model::TooManyTargets;
use proptest::prelude::*;

/// Takes everything for the stream of each event.
#[derive(Default)]
struct Taken(Mutex<Vec<(String, String)>>);

impl Intake for Taken {
    fn room(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn take(&self, target: &Arc<Target>, text: &[u8], _: Timestamp, _: TimedBy) -> Result<(), TooManyTargets> {
        let text = String::from_utf8_lossy(text).into_owned();
        self.0.lock().expect("no panic").push((target.stream.clone(), text));
        Ok(())
    }

    fn take_configured(&self, target: &Arc<Target>, text: &[u8], at: Timestamp, by: TimedBy) {
        self.take(target, text, at, by).expect("it takes all");
    }
}

fn desk(split_datagrams: bool) -> (Desk, Arc<Taken>) {
    let taken = Arc::new(Taken::default());
    let fallback = Fallback { group: Some("/g".into()), stream: "s".into() };
    (Desk::new(taken.clone(), fallback, split_datagrams), taken)
}

fn texts(taken: &Taken) -> Vec<String> {
    taken.0.lock().expect("no panic").iter().map(|(_, text)| text.clone()).collect()
}

#[tokio::test]
async fn what_is_below_a_blank_at_the_end_of_a_document_is_cut_off() {
    let (desk, taken) = desk(false);
    desk.take(b"{\"a\":1}\r\n\0", "here");
    desk.take(b"\r\n", "here");
    assert_eq!(texts(&taken), ["{\"a\":1}"]);
}

#[tokio::test]
async fn a_line_that_is_too_long_is_refused_and_the_next_one_is_not() {
    let (desk, taken) = desk(false);
    let before = counters::EMF_TOO_LARGE.here();
    let mut lines = Lines::default();
    let stream = [&b"{\"a\":1}\n"[..], &vec![b'x'; 3 * LONGEST], b"\n{\"a\":2}\n"].concat();
    stream.chunks(60_000).for_each(|piece| lines.feed(piece, &desk, "here"));
    // Found too long only together with its end.
    let nearly = [&vec![b'x'; LONGEST][..], b"x\n{\"a\":3}\n"].concat();
    nearly.chunks(LONGEST).for_each(|piece| lines.feed(piece, &desk, "here"));
    assert_eq!(texts(&taken), ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]);
    assert_eq!(counters::EMF_TOO_LARGE.here() - before, 2);
}

#[tokio::test]
async fn half_a_line_at_the_end_counts_when_it_is_a_document() {
    let (desk, taken) = desk(false);
    for rest in ["{\"a\":1}", "{\"a\":"] {
        let mut lines = Lines::default();
        lines.feed(rest.as_bytes(), &desk, "here");
        lines.end(&desk, "here");
    }
    assert_eq!(texts(&taken), ["{\"a\":1}"]);
}

#[tokio::test]
async fn a_datagram_is_one_document_or_by_choice_one_a_line() {
    for (split, expected) in [(false, 1), (true, 2)] {
        let (desk, taken) = desk(split);
        let socket = Datagrams::udp(([127, 0, 0, 1], 0).into(), 1 << 16).expect("bound");
        let Datagrams::Udp(udp) = &socket else { unreachable!() };
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
        let text = b"{\"a\":\n1}\n{\"b\":2}\n";
        let text: &[u8] = if split { b"{\"a\":1}\n{\"b\":2}\n" } else { &text[..9] };
        sender.send_to(text, udp.local_addr().expect("bound")).expect("sent");
        let stop = CancellationToken::new();
        stop.cancel();
        // What has arrived by the stop is taken.
        udp.readable().await.expect("there is something");
        datagrams::receive(&socket, &desk, "here", &stop).await;
        assert_eq!(texts(&taken).len(), expected);
    }
}

/// A listener at work, and how it is reached.
fn listening(desk: Desk) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    let streams = Streams::tcp(([127, 0, 0, 1], 0).into()).expect("bound");
    let Streams::Tcp(listener) = &streams else { unreachable!() };
    let (address, stop) = (listener.local_addr().expect("bound"), CancellationToken::new());
    let stopped = stop.clone();
    let working = tokio::spawn(async move {
        streams::receive(&streams, &desk, &Crowd::default(), "here", &stopped).await;
    });
    (address, stop, working)
}

#[tokio::test(start_paused = true)]
async fn who_stops_in_the_middle_of_a_line_makes_way_for_who_waits_and_an_honest_silence_does_not() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (desk, taken) = desk(false);
    let (address, stop, working) = listening(desk);
    let connect = || tokio::net::TcpStream::connect(address);
    let mut honest = connect().await.expect("connected");
    let mut lorises = vec![];
    for _ in 1..streams::CLIENTS {
        let mut loris = connect().await.expect("connected");
        loris.write_all(b"{").await.expect("written");
        lorises.push(loris);
    }
    let mut late = connect().await.expect("connected");
    late.write_all(b"{\"late\":1}\n").await.expect("written");
    let come = |count: usize| {
        let taken = taken.clone();
        async move {
            while texts(&taken).len() < count {
                sleep(Duration::from_secs(1)).await;
            }
        }
    };
    come(1).await;
    let mut buffer = [0; 1];
    assert_eq!(lorises[0].read(&mut buffer).await.expect("hung up"), 0);
    honest.write_all(b"{\"honest\":1}\n").await.expect("written");
    come(2).await;
    assert_eq!(texts(&taken), ["{\"late\":1}", "{\"honest\":1}"]);
    stop.cancel();
    working.await.expect("no panic");
}

#[tokio::test]
async fn what_has_arrived_by_the_stop_is_taken() {
    use tokio::io::AsyncWriteExt;
    let (desk, taken) = desk(false);
    let (address, stop, working) = listening(desk);
    let mut client = tokio::net::TcpStream::connect(address).await.expect("connected");
    client.write_all(b"{\"a\":1}\n").await.expect("written");
    while texts(&taken).is_empty() {
        tokio::task::yield_now().await;
    }
    client.write_all(b"{\"a\":2}\n{\"a\":3}").await.expect("written");
    stop.cancel();
    working.await.expect("no panic");
    assert_eq!(texts(&taken), ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]);
}

proptest! {
    #[test]
    fn lines_are_the_same_however_they_are_cut(
        documents in prop::collection::vec("[a-z]{0,20}", 1..20),
        cuts in prop::collection::vec(1..30usize, 1..20),
    ) {
        let (desk, taken) = desk(false);
        let documents: Vec<String> = documents.iter().map(|text| format!("{{\"a\":\"{text}\"}}")).collect();
        let stream = documents.join("\n");
        let (mut lines, mut rest) = (Lines::default(), stream.as_bytes());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, more) = rest.split_at((*cut).min(rest.len()));
            lines.feed(piece, &desk, "here");
            rest = more;
        }
        lines.end(&desk, "here");
        prop_assert_eq!(texts(&taken), documents);
    }
}

/// Takes nothing for targets that others name.
#[derive(Default)]
struct Crowded(Taken);

impl Intake for Crowded {
    fn room(&self) -> BoxFuture<'_, ()> {
        self.0.room()
    }

    fn take(&self, _: &Arc<Target>, _: &[u8], _: Timestamp, _: TimedBy) -> Result<(), TooManyTargets> {
        Err(TooManyTargets(0))
    }

    fn take_configured(&self, target: &Arc<Target>, text: &[u8], at: Timestamp, by: TimedBy) {
        self.0.take_configured(target, text, at, by);
    }
}

#[tokio::test]
async fn names_that_others_invent_leave_a_place_for_documents_without_any() {
    let taken = Arc::new(Crowded::default());
    let desk = Desk::new(taken.clone(), Fallback { group: Some("/g".into()), stream: "s".into() }, false);
    let before = counters::EMF_TOO_MANY_TARGETS.here();
    for document in [
        r#"{"log_stream_name":"invented"}"#,
        r#"{"log_group_name":"/invented"}"#,
        r#"{"a":1}"#,
        r#"{"log_group_name":"/g"}"#,
    ] {
        desk.take(document.as_bytes(), "here");
    }
    assert_eq!(texts(&taken.0), [r#"{"a":1}"#, r#"{"log_group_name":"/g"}"#]);
    assert_eq!(counters::EMF_TOO_MANY_TARGETS.here() - before, 2);
}
