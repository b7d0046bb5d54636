//! A journalctl that does what a script says, and the rooms around the journal.
use super::*;

/// What one run of journalctl does.
pub struct Script {
    pub out: String,
    pub err: &'static str,
    /// `None`: it goes on for as long as it is left alone.
    pub status: Option<bool>,
}

pub fn ends(out: impl Into<String>) -> Script {
    Script { out: out.into(), err: "", status: Some(true) }
}

pub fn fails(out: impl Into<String>, err: &'static str) -> Script {
    Script { out: out.into(), err, status: Some(false) }
}

pub fn follows(out: impl Into<String>) -> Script {
    Script { out: out.into(), err: "", status: None }
}

/// The rooms around the journal, as far as it sees them.
#[derive(Default)]
pub struct Host {
    pub scripts: VecDeque<Script>,
    /// Arguments of each run so far, without those that are always there.
    pub runs: Vec<String>,
    /// The other ends of pipes that stay open.
    pub pipes: Vec<DuplexStream>,
    pub saved: Vec<(SourceId, Position)>,
    pub opened: Vec<(u64, Position)>,
    pub lane: Option<mpsc::Sender<Box<Chunk>>>,
}

#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Host>>);

impl Shared {
    pub fn host(&self) -> MutexGuard<'_, Host> {
        self.0.lock().expect("no test panics while it holds this")
    }

    pub fn start(&self, arguments: &[String]) -> Result<Running, ChildError> {
        let mut host = self.host();
        let fixed = ["--output=json", "--all", "--no-pager"];
        assert_eq!(arguments[..3], fixed);
        host.runs.push(arguments[3..].join(" "));
        let script = host
            .scripts
            .pop_front()
            .ok_or_else(|| ChildError::Missing { program: program("logs.logs_collected.journal") })?;
        let (out, mut pipe) = duplex(script.out.len() + 1);
        futures_util::FutureExt::now_or_never(pipe.write_all(script.out.as_bytes())).expect("it fits").expect("open");
        let running = match script.status {
            None => {
                host.pipes.push(pipe);
                Running {
                    out: Box::new(out),
                    err: Box::new(tokio::io::empty()),
                    status: Box::pin(std::future::pending()),
                }
            }
            Some(success) => Running {
                out: Box::new(out),
                err: Box::new(script.err.as_bytes()),
                status: Box::pin(async move { Ok((success, "exit status: 1".to_owned())) }),
            },
        };
        Ok(running)
    }
}

impl Checkpoints for Shared {
    fn saved(&self) -> Vec<(SourceId, Position)> {
        self.host().saved.clone()
    }

    fn open(&self, _: SourceId, start: u64, position: Position) {
        self.host().opened.push((start, position));
    }

    fn finish(&self, _: SourceId, _: u64) {}

    fn delivered(&self, _: SourceId) -> Option<(u64, Position)> {
        None
    }

    fn saved_up_to(&self, _: SourceId) -> Option<u64> {
        None
    }
}

impl Outlet for Shared {
    fn lane(&self, _: &Arc<Target>, _: &Arc<LaneWaker>) -> mpsc::Sender<Box<Chunk>> {
        self.host().lane.take().expect("one lane")
    }
}
