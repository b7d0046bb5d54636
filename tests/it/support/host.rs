//! A machine with files to tail, and the daemon that runs on it.
//!
//! [`TestHost`] owns a folder with everything that outlives a daemon: files, configuration, state, and what the daemon
//! says on standard error. [`Daemon`] is one run of the real binary; it is killed when it is dropped.
use super::{
    PATIENCE, REGION,
    fake::{FakeAws, Key, Op, Seen},
    program,
};
use serde_json::{Value, json};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// How often a running daemon is asked for its status while a story waits for a change in it.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(100);

/// The machine.
pub struct TestHost {
    folder: TempDir,
    config: Value,
    environment: Vec<(String, String)>,
}

impl TestHost {
    /// A machine `sys-story` that has nothing to do yet, and publishes to this address.
    pub fn against(endpoint: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder of our own");
        let config = json!({
            "agent": {
                "instance": { "prefix": "sys", "serial": "story" },
                "region": REGION,
                "logs_collection_interval": 1,
                "logfile": "",
                "state_folder": folder.path().join("state"),
                "endpoint_override": endpoint,
                "shutdown_seconds": 10,
            },
        });
        Self::new(folder, config)
    }

    /// A machine with this configuration, and a state folder of its own.
    pub fn of(mut config: Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder of our own");
        config["agent"]["state_folder"] = json!(folder.path().join("state"));
        Self::new(folder, config)
    }

    fn new(folder: TempDir, config: Value) -> Self {
        let key = Key::lasting();
        let environment = [
            ("AWS_ACCESS_KEY_ID", key.access_key.as_str()),
            ("AWS_SECRET_ACCESS_KEY", key.secret.as_str()),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_REGION", REGION),
            ("HOME", &folder.path().display().to_string()),
            ("PATH", &std::env::var("PATH").expect("a search path")),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { folder, config, environment }
    }

    /// The usual machine: it tails these files into the group `/story/logs` and publishes to the fake.
    pub fn tailing(aws: &FakeAws, files: &[&str]) -> Self {
        files.iter().fold(Self::against(&aws.url()), |host, file| host.tail(file))
    }

    /// Also tail this file of [`Self::path`] from its beginning; the stream has the file's name.
    pub fn tail(mut self, file: &str) -> Self {
        let item = json!({ "file_path": self.path(file), "from_beginning": true });
        let logs = &mut self.config["logs"];
        logs["log_group_name"] = json!(GROUP);
        let list = &mut logs["logs_collected"]["files"]["collect_list"];
        match list.as_array_mut() {
            Some(list) => list.push(item),
            None => *list = json!([item]),
        }
        self
    }

    /// Also publish the thirteen metrics each so many seconds.
    pub fn measuring(self, seconds: u64) -> Self {
        self.with("agent.metrics_collection_interval", json!(seconds))
            .with("metrics.namespace", json!(NAMESPACE))
            .with("metrics.force_flush_interval", json!(seconds))
    }

    /// With this value at this dotted path of the configuration.
    pub fn with(mut self, path: &str, value: Value) -> Self {
        let place = path.split('.').fold(&mut self.config, |place, key| &mut place[key]);
        *place = value;
        self
    }

    /// With this environment variable; an empty value takes the variable away.
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.environment.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// With this script before all other programs in the search path.
    pub fn with_program(self, name: &str, script: &str) -> Self {
        let folder = self.path("bin");
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(name);
        // By another process: see `launcher`, "text file busy".
        let mut writer = std::process::Command::new("sh")
            .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .expect("POSIX systems have it");
        writer.stdin.take().expect("piped").write_all(script.as_bytes()).expect("it reads");
        assert!(writer.wait().expect("ours").success());
        let search = std::env::var("PATH").expect("a search path");
        self.with_variable("PATH", &format!("{}:{search}", folder.display()))
    }

    /// Without the access key that the daemon would find in its environment.
    pub fn without_keys(self) -> Self {
        self.with_variable("AWS_ACCESS_KEY_ID", "").with_variable("AWS_SECRET_ACCESS_KEY", "")
    }

    /// A file of this machine.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// A file in the daemon's state folder.
    pub fn state(&self, file: &str) -> PathBuf {
        self.path("state").join(file)
    }

    /// Append to a file of this machine.
    pub fn append(&self, file: &str, text: &str) {
        let path = self.path(file);
        let mut file = OpenOptions::new().create(true).append(true).open(&path).expect("a log that can be opened");
        file.write_all(text.as_bytes()).expect("a log that can be written");
    }

    /// Write the configuration and return its path.
    pub fn write_config(&self) -> PathBuf {
        let path = self.path("publisher.json");
        let config = program::paths_as_seen(format!("{:#}\n", self.config), self.folder.path());
        fs::write(&path, config).expect("a folder that can be written");
        path
    }

    /// Wait until a file is there.
    pub async fn until_there(&self, file: &str) {
        let there = async {
            while !self.path(file).exists() {
                tokio::time::sleep(BETWEEN_QUESTIONS).await;
            }
        };
        tokio::time::timeout(PATIENCE, there).await.expect("the file appears");
    }

    /// What all daemons of this machine have said on standard error.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("stderr")).unwrap_or_default()).into_owned()
    }

    /// The binary with these arguments in this machine's environment.
    pub fn command<I: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Command {
        let words = program::words(program::binary());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(arguments).env_clear().envs(self.environment.iter().cloned());
        command.current_dir(self.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Run the binary to its end.
    pub async fn run<I: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Output {
        let running = self.command(arguments).output();
        let ended = tokio::time::timeout(PATIENCE, running).await.expect("the command ends");
        ended.expect("the binary can be started")
    }

    /// Start the daemon. It is not waited for.
    pub fn start(&self) -> Daemon<'_> {
        let stderr = OpenOptions::new().create(true).append(true).open(self.path("stderr")).expect("a file for it");
        self.start_with(stderr)
    }

    /// Start the daemon with this umask.
    pub fn start_under(&self, umask: &str) -> Daemon<'_> {
        self.start_by_shell(&format!("umask {umask}; exec \"$@\" run \"$0\""))
    }

    /// Start a daemon that only prints what it would send.
    pub fn start_dry(&self) -> Daemon<'_> {
        self.start_by_shell("exec \"$@\" run \"$0\" --dry-run")
    }

    /// By these words, in which `$0` is the configuration and `$@` the binary, behind what runs it.
    fn start_by_shell(&self, words: &str) -> Daemon<'_> {
        let config = self.write_config();
        let stderr = OpenOptions::new().create(true).append(true).open(self.path("stderr")).expect("a file for it");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", words]).arg(&config).args(program::words(program::binary()));
        command.env_clear().envs(self.environment.iter().cloned()).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).kill_on_drop(true);
        Daemon { host: self, child: command.spawn().expect("POSIX systems have it"), config }
    }

    /// Start the daemon with its standard error in this file.
    pub fn start_with(&self, stderr: File) -> Daemon<'_> {
        let config = self.write_config();
        let mut command = self.command([Path::new("run"), &config]);
        let child = command.stdout(Stdio::null()).stderr(stderr).spawn().expect("the binary can be started");
        Daemon { host: self, child, config }
    }
}

/// The log group of [`TestHost::tail`].
pub const GROUP: &str = "/story/logs";

/// The namespace of [`TestHost::measuring`].
pub const NAMESPACE: &str = "System/Story";

/// One run of the daemon.
pub struct Daemon<'a> {
    host: &'a TestHost,
    child: Child,
    config: PathBuf,
}

impl Daemon<'_> {
    /// What `status --json` says; `None` while there is no answer.
    pub async fn status(&self) -> Option<Status> {
        let output = self.host.run([Path::new("status"), &self.config, Path::new("--json")]).await;
        output.status.success().then(|| Status(serde_json::from_slice(&output.stdout).expect("status prints JSON")))
    }

    /// Wait until the daemon's status is as wished.
    pub async fn until(&mut self, what: &str, ready: impl Fn(&Status) -> bool) {
        let mut last = None;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            last = self.status().await;
            if last.as_ref().is_some_and(&ready) {
                return;
            }
            self.assert_runs(what);
            tokio::time::sleep(BETWEEN_QUESTIONS).await;
        }
        panic!("waited {PATIENCE:?} for {what}; the status is {last:#?}");
    }

    /// Wait until the daemon answers at all.
    pub async fn until_it_runs(&mut self) {
        self.until("the daemon to answer", |_| true).await;
    }

    /// Wait until what the daemon sends has brought the cloud to this.
    pub async fn until_cloud(&mut self, aws: &FakeAws, what: &str, ready: impl FnMut(&Seen) -> bool) {
        tokio::select! {
            // In this order: a daemon that did its work and ended is no failure of this wait.
            biased;
            () = aws.until(what, ready) => {}
            ended = self.child.wait() => {
                panic!("the daemon ended with {} before {what}", ended.expect("it is ours to wait for"));
            }
        }
    }

    /// Wait until this operation has been called `times` times more than now.
    pub async fn until_called(&mut self, aws: &FakeAws, op: Op, times: usize) {
        let enough = aws.calls(op) + times;
        self.until_cloud(aws, &format!("{times} more calls of {op:?}"), |seen| seen.calls(op) >= enough).await;
    }

    /// Ask it to stop, as a service manager does, and wait until it has.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal("-TERM").await;
        self.ended().await
    }

    /// Ask it to stop again and again until it has.
    pub async fn insist(mut self) -> ExitStatus {
        let id = self.child.id().expect("it has not ended yet").to_string();
        let insisting = async {
            loop {
                // It may have ended meanwhile.
                let _ = Command::new("kill").args(["-TERM", &id]).output().await;
                tokio::time::sleep(BETWEEN_QUESTIONS).await;
            }
        };
        tokio::select! {
            ended = self.ended() => ended,
            never = insisting => never,
        }
    }

    /// Ask it to read its configuration again.
    pub async fn hang_up(&mut self) {
        self.signal("-HUP").await;
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it has not ended yet")
    }

    async fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it has not ended yet").to_string();
        let told = Command::new("kill").args([signal, &id]).status().await.expect("there is a kill command");
        assert!(told.success(), "the daemon had ended before it was told to");
    }

    /// How many files it holds open; `None` where the system does not show it.
    pub fn open_files(&self) -> Option<usize> {
        let folder = format!("/proc/{}/fd", self.child.id()?);
        Some(fs::read_dir(folder).ok()?.count())
    }

    /// End it at once, as a power cut does.
    pub async fn kill(mut self) {
        self.assert_runs("its end by force");
        self.child.kill().await.expect("it is ours to kill");
    }

    /// Wait until it ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("the daemon ends in time").expect("it is ours to wait for")
    }

    fn assert_runs(&mut self, waiting_for: &str) {
        let ended = self.child.try_wait().expect("it is ours to ask");
        if let Some(status) = ended {
            panic!("the daemon ended with {status} before {waiting_for}");
        }
    }
}

impl Drop for Daemon<'_> {
    /// A story that fails shows what the daemon had to say about it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the daemon said:\n{}", self.host.said());
        }
    }
}

/// What `status --json` says.
#[derive(Debug)]
pub struct Status(pub Value);

impl Status {
    /// The value of one counter.
    pub fn counter(&self, name: &str) -> u64 {
        self.0["counters"][name].as_u64().unwrap_or_else(|| panic!("status knows no counter {name}: {:#}", self.0))
    }

    /// How one destination stands: `metrics`, `logs` or `credentials`.
    pub fn destination(&self, name: &str) -> &Value {
        &self.0["destinations"][name]
    }

    /// Everything that exists has been delivered, and its positions are saved.
    pub fn is_caught_up(&self) -> bool {
        let sources = self.0["sources"].as_array().map_or(&[][..], Vec::as_slice);
        let done = |source: &Value| source["size"].is_u64() && source["acknowledged"] == source["size"];
        !sources.is_empty() && sources.iter().all(done)
    }
}
