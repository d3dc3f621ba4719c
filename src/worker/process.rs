//! One worker process: started, introduced, given its job, listened to, stopped.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio_util::codec::{FramedRead, LinesCodec};

use super::WorkerError;
use super::child::MAX_INPUTS;
use super::protocol::{Job, Line, MAX_LINE_BYTES, Message, Order, VERSION};
use crate::model::Capabilities;

/// Longest wait for the first message of a worker: a cold disk has to load some 200 libraries.
const HELLO_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a worker's standard error that are kept, from its end.
const STDERR_BYTES: usize = 16 * 1024;
/// Longest wait for the end of standard error: a process that the worker started may hold it open.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Number of last lines of it that go into a failure.
const STDERR_LINES: usize = 20;
/// glibc gives each thread its own heap and keeps freed memory in it; a worker has a dozen threads that pass on few,
/// large buffers. Other C libraries ignore the variable.
const ARENAS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");

/// Error of a started process that is no worker.
enum StartError {
    /// It sent a message, but not that of a worker of this version.
    Stranger(String),
    /// It ended, or sent no message in time.
    Silent(String),
}

/// A worker that has sent its first message, [`Message::Hello`].
#[derive(Debug)]
pub(super) struct WorkerProcess {
    child: Child,
    group: Pid,
    socket: UnixStream,
    messages: FramedRead<ChildStdout, LinesCodec>,
    stderr: Arc<Mutex<VecDeque<u8>>>,
    /// Reads standard error to its end.
    reading: tokio::task::JoinHandle<()>,
    /// Capabilities that it reports.
    pub(super) capabilities: Capabilities,
}

impl WorkerProcess {
    /// Starts `program` and waits until it introduces itself.
    pub(super) async fn start(program: &Path) -> Result<Self, WorkerError> {
        let error = |source| WorkerError::Start { program: program.to_owned(), source };
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(error)?;
        ours.set_nonblocking(true).map_err(error)?;
        let mut child = Command::new(program)
            .env_clear()
            .env(ARENAS.0, ARENAS.1)
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(error)?;
        let missing = || error(std::io::Error::other("no pipe to the worker"));
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let reading = tokio::spawn(keep_end(child.stderr.take().ok_or_else(missing)?, Arc::clone(&stderr)));
        let mut worker = Self {
            child,
            group,
            socket: UnixStream::from_std(ours).map_err(error)?,
            messages: FramedRead::new(stdout, LinesCodec::new_with_max_length(MAX_LINE_BYTES)),
            stderr,
            reading,
            capabilities: Capabilities::default(),
        };
        match worker.introduction().await {
            Ok(capabilities) => Ok(Self { capabilities, ..worker }),
            Err(unfit) => {
                worker.kill().await;
                let program = program.to_owned();
                Err(match unfit {
                    StartError::Stranger(reason) => WorkerError::Handshake { program, reason },
                    StartError::Silent(reason) => WorkerError::Stillborn { program, reason },
                })
            }
        }
    }

    async fn introduction(&mut self) -> Result<Capabilities, StartError> {
        let first = tokio::time::timeout(HELLO_TIMEOUT, self.next()).await;
        let silent = |_| StartError::Silent(format!("silent for {} s", HELLO_TIMEOUT.as_secs()));
        let first = first.map_err(silent)?.map_err(|error| StartError::Stranger(error.to_string()))?;
        match first.map(|line| line.message) {
            Some(Message::Hello { protocol: VERSION, capabilities }) => Ok(capabilities),
            Some(Message::Hello { protocol, .. }) => {
                Err(StartError::Stranger(format!("its protocol has version {protocol}, not {VERSION}")))
            }
            Some(other) => Err(StartError::Stranger(format!("its first message was {other:?}"))),
            None => {
                let last_words = self.last_words().await.join(" / ");
                Err(match tokio::time::timeout(LAST_WORDS, self.child.wait()).await {
                    // By itself and in order: it is some other program.
                    Ok(Ok(status)) if status.success() => StartError::Stranger(format!("it ended: {last_words}")),
                    Ok(Ok(status)) => StartError::Silent(format!("{status}: {last_words}")),
                    Ok(Err(error)) => StartError::Silent(error.to_string()),
                    Err(_) => StartError::Silent("it closed its output and did not end".to_owned()),
                })
            }
        }
    }

    /// Returns whether it still waits for a job.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Hands over the job with its descriptors.
    pub(super) async fn give(&mut self, job: &Job, descriptors: &[OwnedFd]) -> std::io::Result<()> {
        if descriptors.len() > MAX_INPUTS {
            return Err(std::io::Error::other(format!("more than {MAX_INPUTS} inputs")));
        }
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut sent = 0;
        while sent < line.len() {
            self.socket.writable().await?;
            let piece = self.socket.try_io(Interest::WRITABLE, || {
                // The descriptors go with the first byte, once.
                let with = if sent == 0 { borrowed.as_slice() } else { &[] };
                Ok(send_with(&self.socket, &line[sent..], with)?)
            });
            match piece {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends an order about a task of its job.
    pub(super) async fn order(&mut self, order: &Order) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.socket.write_all(&line).await
    }

    /// The next message; `None` where it closed its output.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, WorkerError> {
        let Some(line) = self.messages.next().await else { return Ok(None) };
        let line = line.map_err(|error| WorkerError::Protocol(error.to_string()))?;
        serde_json::from_str(&line).map(Some).map_err(|error| WorkerError::Protocol(error.to_string()))
    }

    /// Waits for its end and returns a description of it.
    pub(super) async fn end(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Asks the whole process group to end, waits for `grace`, then kills it.
    pub(super) async fn stop(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(grace, self.child.wait()).await.is_err() {
            self.kill().await;
        }
        // Processes that the worker started are in its group; if there are none, this has no effect.
        let _ = kill_process_group(self.group, Signal::KILL);
    }

    async fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait().await;
    }

    fn signal(&self, signal: Signal) {
        // The group exists at least until the child has been waited for; if it is already gone, nothing must be done.
        if self.child.id().is_some() {
            let _ = kill_process_group(self.group, signal);
        }
    }

    /// Its peak memory so far, in bytes, if the system reports it.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    /// The last lines of its standard error.
    pub(super) async fn last_words(&mut self) -> Vec<String> {
        // The last output of an ended worker may still be in the pipe.
        let _ = tokio::time::timeout(LAST_WORDS, &mut self.reading).await;
        let kept = self.stderr.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bytes: Vec<u8> = kept.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines.iter().skip(lines.len().saturating_sub(STDERR_LINES)).map(|&line| line.to_owned()).collect()
    }
}

fn send_with(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_INPUTS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)
}

async fn keep_end(mut stderr: impl tokio::io::AsyncRead + Unpin, kept: Arc<Mutex<VecDeque<u8>>>) {
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = stderr.read(&mut chunk).await {
        let mut kept = kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.extend(&chunk[..length]);
        let surplus = kept.len().saturating_sub(STDERR_BYTES);
        kept.drain(..surplus);
    }
}
