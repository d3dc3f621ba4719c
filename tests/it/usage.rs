//! Usage: mistakes on the command line, each with its exit code and one shape, and what people read of executions.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::{Daemon, fixture, last_json, reelmill, run, run_ok, wait_for};

const SMALL: &str = "
name: small
trigger: { bucket: uploads, key: 'in/**' }
output: { bucket: media, prefix: '${object.stem}/' }
activities:
  poster: { snapshot: { at: 0s, width: 160, name: poster.jpg } }
";

fn error(result: &Output) -> (Option<i32>, String, String) {
    let told = String::from_utf8(result.stderr.clone()).unwrap();
    let error = last_json(&told)["error"].clone();
    (result.status.code(), error["code"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
}

#[test]
fn wrong_usage_has_the_shape_of_every_error() {
    for args in [
        &["probe", "--jsn", "--json"][..],
        &["logs", "foo", "--json"],
        &["executions", "list", "--limit", "0", "--json"],
        &["--json"],
    ] {
        let (exit, code, message) = error(&run(reelmill().args(args)));
        assert_eq!((exit, code.as_str()), (Some(2), "CLI0002"), "{args:?}: {message}");
        assert!(!message.starts_with("error"), "{message}");
    }
    let plain = run(reelmill().args(["logs", "foo"]));
    let told = String::from_utf8(plain.stderr).unwrap();
    assert!(told.starts_with("error[CLI0002]: ") && told.contains("an identifier is a UUID"), "{told}");
}

#[test]
fn newcomer_words_of_other_programs_and_states_are_told() {
    let told = |args: &[&str]| String::from_utf8(run(reelmill().args(args)).stderr).unwrap();
    for (word, expected) in [("upload", "`reelmill put`"), ("list", "`reelmill executions list`"), ("status", "doctor")]
    {
        let told = told(&[word]);
        assert!(told.contains("tip: ") && told.contains(expected), "{told}");
    }
    let wrong = told(&["executions", "list", "--state", "done"]);
    assert!(wrong.contains("possible values: pending, queued, running"), "{wrong}");
    let script = run_ok(reelmill().args(["completions", "bash"]));
    assert!(script.contains("pending queued running succeeded failed cancelled"), "states complete");
}

#[test]
fn newcomer_a_port_that_is_in_use_is_told_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for (option, other) in [("--api", "--s3-endpoint"), ("--s3-endpoint", "--api")] {
        let args = ["serve", "--json", "--data", data, option, &address, other, "127.0.0.1:0"];
        let (exit, code, message) = error(&run(reelmill().args(args).current_dir(folder.path())));
        assert_eq!((exit, code.as_str()), (Some(3), "CLI0011"), "{message}");
        assert!(message.contains(&format!("`{option} 127.0.0.1:0` takes a free port")), "{message}");
    }
}

#[test]
fn help_is_short_and_long() {
    let help = |flag: &str| run_ok(reelmill().args(["run", flag])).split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = "Outputs are written to DIR";
    assert!(help("--help").contains(sentence) && !help("-h").contains(sentence), "{}", help("--help"));
    assert!(run_ok(reelmill().arg("-h")).contains("Run the daemon"), "a command is not described");
}

fn put(data: &Path, to: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = reelmill();
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
        command.env_remove(name);
    }
    run(command
        .envs(environment.iter().copied())
        .args(["put", "--json", "--data"])
        .arg(data)
        .arg(fixture("logo.png"))
        .arg(to))
}

#[test]
fn an_upload_goes_to_aws_only_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (exit, code, message) = error(&put(folder.path(), "s3://uploads/x.png", &[]));
    assert_eq!((exit, code.as_str()), (Some(3), "CLI0008"), "{message}");
    assert!(message.contains("--aws") && message.contains("--data"), "{message}");
    let nowhere = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ];
    let (exit, code, _) = error(&put(folder.path(), "s3://uploads/x.png", &nowhere));
    assert_eq!((exit, code.as_str()), (Some(3), "OBJ0006"));
}

#[test]
fn executions_are_read_by_people() {
    let folder = tempfile::tempdir().unwrap();
    let workflows = folder.path().join("workflows");
    std::fs::create_dir(&workflows).unwrap();
    std::fs::write(workflows.join("small.yaml"), SMALL).unwrap();
    let data = folder.path().join("data");
    let daemon = Daemon::start(&data, &workflows);
    for name in ["one", "two"] {
        daemon.put(&fixture("normal/tiny_aac_180p.mp4"), &format!("s3://uploads/in/{name}.mp4"));
    }
    let id = daemon.ended(2)[0]["id"].as_str().unwrap().to_owned();
    let read = |args: &[&str]| run(reelmill().args(args).args(["--url", &daemon.api]));
    let text = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();

    let shown = text(&read(&["executions", "show", &id]));
    assert!(shown.contains("created    20") && shown.contains("ended      20"), "{shown}");
    let logged = text(&read(&["logs", &id]));
    assert!(logged.lines().all(|line| line.starts_with("20") && line.contains(" UTC  ")), "{logged}");
    let first = read(&["executions", "list", "--limit", "1", "--since", "2026-01-01"]);
    assert!(String::from_utf8_lossy(&first.stderr).contains("more executions match"), "{first:?}");
    let all = read(&["executions", "list"]);
    assert!(all.stderr.is_empty() && text(&all).lines().count() == 3, "{all:?}");

    let (exit, code, message) = error(&run(&mut daemon.cli(&["logs", &id, "--activity", "nope"])));
    assert_eq!((exit, code.as_str()), (Some(4), "CLI0013"));
    assert!(message.contains("poster"), "{message}");

    for wrong in ["s3://uploads/in/../x.png", "s3://Not_A_Bucket/x.png"] {
        let result = put(&data, wrong, &[]);
        let told = String::from_utf8_lossy(&result.stderr).into_owned();
        let (exit, code, _) = error(&result);
        assert_eq!((exit, code.as_str()), (Some(2), "OBJ0008"), "{told}");
        assert!(!told.contains("ErrorMetadata") && !told.contains("Error {"), "{told}");
    }
    let shown: Value = daemon.show(&id);
    assert_eq!(shown["stopping"], Value::Null);
}

#[test]
fn who_follows_is_told_that_the_daemon_ended() {
    let folder = tempfile::tempdir().unwrap();
    let workflows = folder.path().join("workflows");
    std::fs::create_dir(&workflows).unwrap();
    let slow = SMALL.replace(
        "snapshot: { at: 0s, width: 160, name: poster.jpg }",
        "transcode: { template: h264-720p, video: { preset: veryslow }, name: a.mp4 }",
    );
    std::fs::write(workflows.join("small.yaml"), slow).unwrap();
    let daemon = Daemon::start(&folder.path().join("data"), &workflows);
    daemon.put(&fixture("sintel_dragon_720p_18s.mp4"), "s3://uploads/in/one.mp4");
    let id =
        wait_for("the execution", || daemon.executions().first().map(|one| one["id"].as_str().unwrap().to_owned()));
    let mut follow = daemon.cli(&["logs", &id, "--follow"]);
    let mut child = follow.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut printed = BufReader::new(child.stdout.take().unwrap());
    printed.read_line(&mut line).unwrap();
    daemon.kill();
    let drained = std::io::read_to_string(printed).unwrap();
    let (exit, code, message) = error(&child.wait_with_output().unwrap());
    assert_eq!((exit, code.as_str()), (Some(3), "CLI0008"), "{drained}");
    assert!(message.contains("the daemon ended"), "{message}");
}
