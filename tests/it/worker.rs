//! What happens around a worker process, with shell scripts that misbehave in every way a codec can.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reelmill::model::work::{Analysis, Output, Work};
use reelmill::model::{Class, Code, Failure};
use reelmill::worker::admission::Need;
use reelmill::worker::pool::Pool;
use reelmill::worker::supervisor::{Assignment, JobMessage, Limits, run, run_one};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::support::worker_script;

const LONG: Duration = Duration::from_secs(60);

/// A worker program that says hello, takes its job and then does `body`.
fn worker(folder: &Path, body: &str) -> PathBuf {
    worker_script(folder, &[], body)
}

fn assignment(scratch: &Path, limits: Limits, words: mpsc::Sender<JobMessage>, stop: CancellationToken) -> Assignment {
    let work = Work::one(Output::Analysis(Analysis::default()));
    Assignment { inputs: Vec::new(), scratch: scratch.to_owned(), work, limits, words, stop }
}

async fn run_with(program: PathBuf, limits: Limits, stop: &CancellationToken) -> Result<(), Failure> {
    let (words, _heard) = mpsc::channel(64);
    let scratch = tempfile::tempdir().unwrap();
    let assignment = assignment(scratch.path(), limits, words, stop.clone());
    run_one(&Pool::new(program, 0), 1, assignment).await.map(drop)
}

fn limits() -> Limits {
    Limits { timeout: LONG, stall: LONG, grace: Duration::from_millis(300) }
}

async fn failure_of(body: &str, limits: Limits) -> Failure {
    let folder = tempfile::tempdir().unwrap();
    run_with(worker(folder.path(), body), limits, &CancellationToken::new()).await.unwrap_err()
}

#[tokio::test]
async fn a_crash_is_a_failed_attempt_with_the_last_words() {
    let failure = failure_of("echo 'codec says: oh no' >&2; kill -SEGV $$", limits()).await;
    assert_eq!((failure.code.as_str(), failure.class), ("WORKER0004", Class::Retry));
    assert!(failure.message.contains("signal: 11"), "{failure:?}");
    assert!(failure.chain.iter().any(|line| line.contains("oh no")), "{failure:?}");
}

#[tokio::test]
async fn field_case_24_a_stalled_job_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let body = format!(
        "trap '' TERM\n(trap '' TERM; exec /bin/sleep 1000) &\necho $$ $! > {}\nwhile :; do\n\
         echo '{{\"type\":\"progress\",\"fraction\":0.5,\"speed\":null,\"position_ms\":1}}'; /bin/sleep 0.02; done",
        pids.display()
    );
    let limits = Limits { stall: Duration::from_millis(400), ..limits() };
    let failure = run_with(worker(folder.path(), &body), limits, &CancellationToken::new()).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.class), ("WORKER0006", Class::Retry));
    for pid in std::fs::read_to_string(&pids).unwrap().split_whitespace() {
        wait_until_gone(pid);
    }
}

/// A killed process whose parent is gone lingers until init collects it.
fn wait_until_gone(pid: &str) {
    let deadline = std::time::Instant::now() + LONG;
    let status = PathBuf::from(format!("/proc/{pid}/stat"));
    while let Ok(text) = std::fs::read_to_string(&status) {
        if text.contains(") Z ") {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "process {pid} is still there: {text}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_stopped_and_not_tried_again() {
    let failure = failure_of("exec /bin/sleep 1000", Limits { timeout: Duration::from_millis(200), ..limits() }).await;
    assert_eq!((failure.code.as_str(), failure.class), ("WORKER0005", Class::Fatal));
}

#[tokio::test]
async fn a_job_stops_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    let failure = run_with(worker(folder.path(), "exec /bin/sleep 1000"), limits(), &stop).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.class), ("WORKER0007", Class::Cancelled));
}

#[tokio::test]
async fn nonsense_and_silence_are_failures_of_the_worker() {
    let failure = failure_of("echo nonsense; exec /bin/sleep 1000", limits()).await;
    assert_eq!(failure.code, "WORKER0008");
    let failure = failure_of("exit 3", limits()).await;
    assert_eq!(failure.code, "WORKER0004");
    assert!(failure.message.contains("exit status: 3"), "{failure:?}");
}

#[tokio::test]
async fn a_program_that_is_no_worker_is_refused() {
    let stop = CancellationToken::new();
    let failure = run_with(PathBuf::from("/nowhere/reelmill-worker"), limits(), &stop).await.unwrap_err();
    assert_eq!(failure.code, "WORKER0001");
    let failure = run_with(PathBuf::from("/bin/true"), limits(), &stop).await.unwrap_err();
    assert_eq!(failure.code, "WORKER0002");
}

#[tokio::test]
async fn warnings_reach_the_log_and_a_worker_may_fail_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let body = r#"echo '{"type":"warning","code":"MEDIA9999","message":"look"}'
echo '{"type":"failed","failure":{"code":"MEDIA0001","class":"fatal","blame":"input","message":"no media"}}'"#;
    let (words, mut heard) = mpsc::channel(64);
    let assignment = assignment(folder.path(), limits(), words, CancellationToken::new());
    let pool = Pool::new(worker(folder.path(), body), 0);
    let failure = run_one(&pool, 1, assignment).await.unwrap_err();
    assert_eq!(failure.code, "MEDIA0001");
    assert_eq!(
        heard.recv().await,
        Some(JobMessage::Warning { code: Code::new("MEDIA9999"), message: "look".to_owned() })
    );
}

/// A group of `count` tasks with a worker that then does `body`; answers the end of each. `stop` ends the second.
async fn ends_of(count: usize, body: &str, stop: &CancellationToken) -> Vec<Result<(), String>> {
    ends_and_use_of(count, body, stop).await.0
}

/// As [`ends_of`], and what the group used.
async fn ends_and_use_of(count: usize, body: &str, stop: &CancellationToken) -> (Vec<Result<(), String>>, Need) {
    let folder = tempfile::tempdir().unwrap();
    let (words, _heard) = mpsc::channel(64);
    let mut answers = Vec::new();
    let mut tasks = Vec::new();
    for n in 0..count {
        let (answer, answered) = oneshot::channel();
        let own = if n == 1 { stop.clone() } else { CancellationToken::new() };
        tasks.push((assignment(folder.path(), limits(), words.clone(), own), answer));
        answers.push(answered);
    }
    let pool = Pool::new(worker(folder.path(), body), 0);
    let used = run(&pool, 1, tasks).await;
    let ends = futures::future::join_all(answers).await.into_iter();
    (ends.map(|end| end.unwrap().map(drop).map_err(|failure| failure.code.to_string())).collect(), used)
}

const DONE: &str = r#""type":"done","report":{"outputs":[]}"#;

#[tokio::test]
async fn tasks_of_a_group_end_on_their_own_and_a_crash_ends_what_is_left() {
    let failed =
        r#""type":"failed","failure":{"code":"MEDIA0003","class":"fatal","blame":"input","message":"no sound"}"#;
    let body = format!("echo '{{\"task\":2,{DONE}}}'; echo '{{\"task\":0,{failed}}}'; kill -SEGV $$");
    let ends = ends_of(4, &body, &CancellationToken::new()).await;
    let crashed = || Err("WORKER0004".to_owned());
    assert_eq!(ends, [Err("MEDIA0003".to_owned()), crashed(), Ok(()), crashed()]);
}

/// Estimates of scratch space learn from groups that made everything, not from what a failed one left.
#[tokio::test]
async fn a_group_tells_the_size_of_its_files_if_every_task_succeeded() {
    let file = r#"{"file":"a","size_bytes":700,"content_type":"video/mp4","role":"media"}"#;
    let done = |task| {
        format!(
            "echo '{{\"task\":{task},\"type\":\"done\",\"report\":{{\"outputs\":[{{\"Ok\":{{\"files\":[{file}]}}}}]}}}}'"
        )
    };
    let never = CancellationToken::new();
    let (ends, used) = ends_and_use_of(2, &format!("{}; {}", done(0), done(1)), &never).await;
    assert_eq!((ends.as_slice(), used.scratch), ([Ok(()), Ok(())].as_slice(), 1_400));
    let (ends, used) = ends_and_use_of(2, &format!("{}; exit 3", done(0)), &never).await;
    assert_eq!((ends[0].clone(), used.scratch), (Ok(()), 0));
}

#[tokio::test]
async fn a_task_that_is_stopped_leaves_the_others_alone() {
    let stop = CancellationToken::new();
    stop.cancel();
    // The order comes on standard input; only then the first task ends.
    let body = format!("read order; case $order in '{{\"stop\":1}}') echo '{{\"task\":0,{DONE}}}';; *) exit 3;; esac");
    assert_eq!(ends_of(2, &body, &stop).await, [Ok(()), Err("WORKER0007".to_owned())]);
}

#[tokio::test]
async fn a_message_about_a_task_that_was_not_given_is_a_fault_of_the_worker() {
    let ends =
        ends_of(2, &format!("echo '{{\"task\":7,{DONE}}}'; exec /bin/sleep 1000"), &CancellationToken::new()).await;
    assert_eq!(ends, [Err("WORKER0008".to_owned()), Err("WORKER0008".to_owned())]);
}
