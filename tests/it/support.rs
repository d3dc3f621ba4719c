//! What the tests share: the programs, the fixtures, a daemon that can be killed, conditions to wait for.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use reelmill::worker::protocol::VERSION;
use serde_json::Value;
use tempfile::TempDir;

/// Nothing here takes this long unless it hangs.
pub const HANG: Duration = Duration::from_secs(180);

/// The program under test.
pub fn reelmill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reelmill"));
    command.env_remove("REELMILL_URL").env("NO_COLOR", "1").env("REELMILL_LOG", "warn");
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// Runs a command that must succeed, and answers its standard output.
pub fn run_ok(command: &mut Command) -> String {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A media fixture.
pub fn fixture(name: &str) -> PathBuf {
    let path = repository("tests/fixtures/media").join(name);
    assert!(path.is_file(), "there is no fixture {name}");
    path
}

/// The last line of an NDJSON stream.
pub fn last_json(text: &str) -> Value {
    let line = text.lines().last().unwrap_or_else(|| panic!("nothing was printed"));
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// `reelmill run … --json`: exit code and the execution.
pub fn run_workflow(workflow: &Path, file: &Path, output: &Path) -> (i32, Value) {
    let result = run(reelmill().args(["run", "--json", "--output"]).arg(output).arg(workflow).arg(file));
    let stdout = String::from_utf8_lossy(&result.stdout);
    assert!(!stdout.is_empty(), "{}", String::from_utf8_lossy(&result.stderr));
    (result.status.code().unwrap_or(-1), last_json(&stdout))
}

/// A workflow file with this text, in its own folder.
pub fn workflow(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("workflow.yaml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

/// `reelmill probe --json`.
pub fn probe(file: &Path) -> Value {
    last_json(&run_ok(reelmill().args(["probe", "--json"]).arg(file)))
}

/// Files below a folder, sorted, relative to it.
pub fn files(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                walk(&entry.path(), root, found);
            } else {
                found.push(entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// Asks again and again until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + HANG;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// What a worker with these encoders says first, as a line of a shell script.
pub fn hello(encoders: &[&str]) -> String {
    let capabilities =
        serde_json::json!({ "ffmpeg": "0", "libavcodec": "0", "encoders": encoders, "lacks": [], "devices": [] });
    let hello = serde_json::json!({ "type": "hello", "protocol": VERSION, "capabilities": capabilities });
    format!("echo '{hello}'")
}

/// A worker program with these encoders that says hello, takes its job and then does `body`.
pub fn worker_script(folder: &Path, encoders: &[&str], body: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("worker.sh");
    let hello = hello(encoders);
    std::fs::write(&path, format!("#!/bin/sh\n{hello}\nread -r job || exit 0\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A running daemon over a data folder.
pub struct Daemon {
    child: Child,
    pub api: String,
    pub data: PathBuf,
    pub ready: Value,
}

impl Daemon {
    /// Starts an embedded daemon over `data` with the workflows of a folder, and waits until it is ready.
    pub fn start(data: &Path, workflows: &Path) -> Self {
        let mut command = reelmill();
        command.args(["serve", "--s3-endpoint", "127.0.0.1:0", "--workflows"]).arg(workflows);
        Self::spawn(command, data)
    }

    /// Starts a daemon with a configuration file and this environment, and waits until it is ready.
    pub fn with_config(config: &Path, data: &Path, environment: &HashMap<&str, String>) -> Self {
        let mut command = reelmill();
        command.args(["serve", "--config"]).arg(config).envs(environment);
        Self::spawn(command, data)
    }

    fn spawn(mut command: Command, data: &Path) -> Self {
        command.args(["--json", "--api", "127.0.0.1:0", "--data"]).arg(data);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let api = ready["api"].as_str().unwrap().to_owned();
        Self { child, api, data: data.to_owned(), ready }
    }

    /// Kills it without warning.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it, so that it hears and does nothing more.
    pub fn freeze(&self) {
        run_ok(Command::new("kill").args(["-STOP", &self.child.id().to_string()]));
    }

    /// Asks it to end.
    pub fn ask_to_end(&self) {
        run_ok(Command::new("kill").args(["-TERM", &self.child.id().to_string()]));
    }

    /// Waits until it has ended; the exit code.
    pub fn ended_with(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Asks it to end and waits; the exit code.
    pub fn end(self) -> Option<i32> {
        self.ask_to_end();
        self.ended_with()
    }

    /// A command that talks to it.
    pub fn cli(&self, args: &[&str]) -> Command {
        let mut command = reelmill();
        command.args(args).args(["--json", "--url", &self.api]);
        command
    }

    /// Uploads a file through the S3 endpoint.
    pub fn put(&self, file: &Path, to: &str) {
        run_ok(reelmill().arg("put").arg(file).arg(to).arg("--data").arg(&self.data));
    }

    /// Executions, newest first.
    pub fn executions(&self) -> Vec<Value> {
        let page = last_json(&run_ok(&mut self.cli(&["executions", "list", "--limit", "1000"])));
        page["items"].as_array().unwrap().clone()
    }

    /// One execution, whole.
    pub fn show(&self, id: &str) -> Value {
        last_json(&run_ok(&mut self.cli(&["executions", "show", id])))
    }

    /// Waits until `count` executions have ended, and answers them whole, newest first.
    pub fn ended(&self, count: usize) -> Vec<Value> {
        let ids: Vec<String> = wait_for("executions to end", || {
            let all = self.executions();
            let ended =
                all.iter().filter(|one| matches!(one["state"].as_str(), Some("succeeded" | "failed" | "cancelled")));
            (ended.count() >= count).then(|| all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect())
        });
        ids.iter().map(|id| self.show(id)).collect()
    }

    /// Files in a bucket.
    pub fn bucket(&self, name: &str) -> Vec<String> {
        files(&self.data.join("buckets").join(name))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
