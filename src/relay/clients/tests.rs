use super::*;
use crate::relay::queue::{Gate, Order};
use std::{
    path::PathBuf,
    sync::{Arc, mpsc::Receiver},
};
use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    net::UnixStream,
    task::JoinHandle,
    time::sleep,
};

/// A relay's socket without a device.
struct Stand {
    socket: PathBuf,
    taken: Receiver<Order>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Stand {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("s");
        let listener = Streams::local(&socket, 0o600).expect("bound");
        let (queue, taken) = Queue::new(Arc::new(Gate::default()));
        let stop = CancellationToken::new();
        let told = stop.clone();
        let serving = tokio::spawn(async move { serve(&listener, &queue, &told).await });
        Self { socket, taken, stop, serving, _folder: folder }
    }

    async fn client(&self) -> UnixStream {
        UnixStream::connect(&self.socket).await.expect("connected")
    }

    async fn send(&self, bytes: &[u8]) {
        let mut client = self.client().await;
        client.write_all(bytes).await.expect("sent");
    }

    /// What was passed on by the time that everything was served.
    async fn end(self) -> Vec<Vec<u8>> {
        self.stop.cancel();
        self.serving.await.expect("no panic");
        frames(&self.taken)
    }
}

fn frames(taken: &Receiver<Order>) -> Vec<Vec<u8>> {
    let frames = taken.iter().filter_map(|order| match order {
        Order::Frame(frame) => Some(frame.bytes.into_vec()),
        Order::Look => None,
    });
    frames.collect()
}

fn frame(tag: &str, data: &str) -> Vec<u8> {
    frame::build(tag, data.as_bytes(), false).expect("short")
}

fn refused() -> [u64; 4] {
    [
        counters::RELAY_REFUSED_FORM.here(),
        counters::RELAY_REFUSED_CHECKSUM.here(),
        counters::RELAY_REFUSED_TOO_LONG.here(),
        counters::RELAY_REFUSED_TORN.here(),
    ]
}

#[tokio::test]
async fn frames_are_passed_on_and_the_rest_is_refused_by_its_kind() {
    let stand = Stand::new();
    let (one, two) = (frame("t", "1"), frame("t", "2"));
    let wrong = String::from_utf8(frame("t", "3")).expect("text").replace("\\\"3\\\"", "\\\"4\\\"");
    stand.send(&[&one, b"garbage\n\n".as_slice(), wrong.as_bytes(), &two, b"{\"csum\":".as_slice()].concat()).await;
    stand.send(&[&vec![b'x'; LONGEST], two.as_slice()].concat()).await;
    assert_eq!(stand.end().await, [one, two]);
    assert_eq!(refused(), [2, 1, 1, 1]);
}

#[tokio::test]
async fn the_longest_frame_passes() {
    let stand = Stand::new();
    // How many digits the checksum has depends on the data.
    let lengths = LONGEST - 100..LONGEST;
    let longest = lengths.rev().find_map(|length| frame::build("t", "x".repeat(length).as_bytes(), false).ok());
    let longest = longest.filter(|frame| frame.len() == LONGEST).expect("one fits exactly");
    stand.send(&longest).await;
    assert_eq!(stand.end().await, [longest]);
    assert_eq!(refused(), [0; 4]);
}

/// A client over memory, where paused time is exact: what it writes into, its task, and what was passed on.
fn in_memory() -> (DuplexStream, JoinHandle<()>, Receiver<Order>) {
    let (near, far) = tokio::io::duplex(LONGEST);
    let (queue, taken) = Queue::new(Arc::new(Gate::default()));
    let served = async move {
        Client::new(Box::new(far), Peer::default()).serve(&queue, &Semaphore::new(1), &CancellationToken::new()).await
    };
    (near, tokio::spawn(served), taken)
}

#[tokio::test(start_paused = true)]
async fn a_client_may_send_a_frame_a_byte_at_a_time_and_has_a_minute_for_each() {
    let (mut client, served, taken) = in_memory();
    let slow = frame("slow", "1");
    let gap = ONE_FRAME / (slow.len() as u32 + 1);
    for byte in [slow.as_slice(), &slow].concat() {
        sleep(gap).await;
        client.write_all(&[byte]).await.expect("sent");
    }
    assert_eq!(refused(), [0; 4]);
    let begun = Instant::now();
    while client.write_all(b"{").await.is_ok() {
        sleep(SILENT - Duration::from_millis(1)).await;
    }
    assert!(begun.elapsed() >= ONE_FRAME && begun.elapsed() < ONE_FRAME + SILENT * 2, "{:?}", begun.elapsed());
    served.await.expect("no panic");
    assert_eq!(frames(&taken), [slow.clone(), slow]);
    assert_eq!(refused(), [0, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn who_sends_no_frame_for_a_minute_is_hung_up_on_whatever_else_it_sends() {
    let (mut client, served, taken) = in_memory();
    let begun = Instant::now();
    while client.write_all(b"\n").await.is_ok() {
        sleep(SILENT / 2).await;
    }
    served.await.expect("no panic");
    assert!(begun.elapsed() >= ONE_FRAME && begun.elapsed() < ONE_FRAME + SILENT * 2, "{:?}", begun.elapsed());
    assert_eq!(frames(&taken), Vec::<Vec<u8>>::new());
}

#[tokio::test(start_paused = true)]
async fn who_sends_a_flood_of_garbage_is_read_slowly_and_may_send_a_frame_behind_it() {
    let (mut client, served, taken) = in_memory();
    let (good, lines) = (frame("t", "1"), 40_000);
    let garbage = b"x\n".repeat(lines);
    let begun = Instant::now();
    client.write_all(&[garbage.as_slice(), &good].concat()).await.expect("sent");
    drop(client);
    served.await.expect("no panic");
    let reads = (garbage.len() / READ) as u32;
    assert!(begun.elapsed() >= SLOWLY * (reads - 1) && begun.elapsed() < SLOWLY * reads * 2, "{:?}", begun.elapsed());
    assert_eq!(frames(&taken), [good]);
    assert_eq!(refused(), [lines as u64, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_silent_is_hung_up_on_and_what_it_began_is_refused() {
    let (mut client, served, taken) = in_memory();
    let whole = frame("t", "1");
    client.write_all(&[&whole, b"{".as_slice()].concat()).await.expect("sent");
    let begun = Instant::now();
    served.await.expect("no panic");
    assert_eq!(begun.elapsed(), SILENT);
    assert!(client.write_all(b"}").await.is_err(), "it is told");
    assert_eq!(frames(&taken), [whole]);
    assert_eq!(refused(), [0, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn while_the_queue_is_full_a_client_waits_and_is_not_called_silent() {
    let (near, far) = tokio::io::duplex(LONGEST);
    let (queue, taken) = Queue::new(Arc::new(Gate::default()));
    let (mut put, filler) = (0, frame("t", &"x".repeat(LONGEST / 2)));
    while timeout(Duration::ZERO, queue.put(&filler, std::time::Instant::now())).await.is_ok() {
        put += 1;
    }
    let mut client = near;
    let served = tokio::spawn(async move {
        Client::new(Box::new(far), Peer::default()).serve(&queue, &Semaphore::new(1), &CancellationToken::new()).await
    });
    client.write_all(&filler).await.expect("sent");
    sleep(SILENT * 10).await;
    assert!(!served.is_finished());
    drop(client);
    // Room is made by whoever writes: here, by taking one after the other.
    let first = taken.recv().expect("it was put");
    drop(first);
    served.await.expect("no panic");
    assert_eq!(frames(&taken).len(), put);
}

#[tokio::test]
async fn what_had_arrived_at_the_stop_is_passed_on() {
    let stand = Stand::new();
    let (one, two) = (frame("t", "1"), frame("t", "2"));
    let mut open = stand.client().await;
    open.write_all(&one).await.expect("sent");
    // Nobody has accepted it when the stop comes.
    let mut late = std::os::unix::net::UnixStream::connect(&stand.socket).expect("connected");
    std::io::Write::write_all(&mut late, &two).expect("sent");
    let mut frames = stand.end().await;
    frames.sort();
    assert_eq!(frames, [one, two]);
}

#[tokio::test]
async fn who_keeps_coming_at_the_stop_does_not_keep_others_from_being_read() {
    let stand = Stand::new();
    let first = frame("t", "first");
    let mut open = stand.client().await;
    open.write_all(&first).await.expect("sent");
    let socket = stand.socket.clone();
    let crowd = tokio::spawn(async move {
        let mut clients = vec![];
        // Ends when the path is gone.
        while let Ok(client) = UnixStream::connect(&socket).await {
            clients.push(client);
            tokio::task::yield_now().await;
        }
        clients
    });
    tokio::task::yield_now().await;
    let frames = stand.end().await;
    assert_eq!(frames, [first]);
    drop(crowd.await.expect("no panic"));
}

#[tokio::test(start_paused = true)]
async fn frames_that_wait_for_room_when_there_is_no_more_time_are_counted() {
    let (near, far) = tokio::io::duplex(LONGEST * 2);
    let (queue, _taken) = Queue::new(Arc::new(Gate::default()));
    let filler = frame("t", &"x".repeat(LONGEST / 2));
    while timeout(Duration::ZERO, queue.put(&filler, std::time::Instant::now())).await.is_ok() {}
    let mut client = near;
    client.write_all(&[filler.as_slice(), filler.as_slice(), b"{"].concat()).await.expect("sent");
    let before = counters::RELAY_FRAMES_GIVEN_UP.here();
    let (large, stop) = (Semaphore::new(1), CancellationToken::new());
    let served = Client::new(Box::new(far), Peer::default()).serve(&queue, &large, &stop);
    assert!(timeout(AT_THE_STOP, served).await.is_err(), "it waits for room");
    assert!(counters::RELAY_FRAMES_GIVEN_UP.here() > before);
}

#[tokio::test(start_paused = true)]
async fn few_hold_half_of_a_large_frame_at_once_and_the_others_wait_for_them_unpunished() {
    let (queue, taken) = Queue::new(Arc::new(Gate::default()));
    let large_frame = frame("t", &"x".repeat(LONGEST / 2));
    let (mut one, first) = tokio::io::duplex(LONGEST);
    let (mut two, second) = tokio::io::duplex(LONGEST);
    let (large, stop) = (Semaphore::new(1), CancellationToken::new());
    let serve = |far| Client::new(Box::new(far), Peer::default()).serve(&queue, &large, &stop);
    let story = async {
        one.write_all(&large_frame[..LONGEST / 4]).await.expect("sent");
        sleep(Duration::from_millis(1)).await;
        two.write_all(&large_frame).await.expect("sent");
        // Longer than anybody may be silent: the second one does not even try to read.
        for _ in 0..3 {
            sleep(SILENT / 2).await;
            one.write_all(b"x").await.expect("sent");
        }
        drop(one);
        drop(two);
    };
    tokio::join!(serve(first), serve(second), story);
    drop(queue);
    assert_eq!(frames(&taken), [large_frame]);
    assert_eq!(refused(), [0, 0, 0, 1], "the first one never ended its frame");
}
