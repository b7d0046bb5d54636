//! Somebody else's reading of this machine: the Python library psutil, asked by a test as often as it likes.
//!
//! It comes from the virtual environment that `scripts/test` makes; without it these tests fail and say so.
use super::{PATIENCE, moto::interpreter};
use serde_json::Value;
use std::process::Stdio;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A running interpreter. It ends with its standard input, and so with the test.
pub struct Psutil {
    _interpreter: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Answers each line, an expression, by one line of JSON.
const LOOP: &str = r"
import json, os, sys, psutil
exec(sys.argv[1])
for line in sys.stdin:
    print(json.dumps(eval(line)), flush=True)
";

impl Psutil {
    /// Start it; the definitions are what the questions can use beside psutil.
    pub fn start(definitions: &str) -> Self {
        let mut interpreter = Command::new(interpreter())
            .args(["-c", LOOP, definitions])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the interpreter can be started");
        let questions = interpreter.stdin.take().expect("piped above");
        let answers = BufReader::new(interpreter.stdout.take().expect("piped above"));
        Self { _interpreter: interpreter, questions, answers }
    }

    /// What this expression is now.
    pub async fn ask(&mut self, expression: &str) -> Value {
        let asking = async {
            self.questions.write_all(format!("{expression}\n").as_bytes()).await.expect("it reads");
            let mut answer = String::new();
            self.answers.read_line(&mut answer).await.expect("it answers");
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, asking).await.expect("it answers in time");
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{expression}: what went wrong stands above"))
    }
}
