//! The worker over a folder of real media with a `MANIFEST.tsv`, where there is one: `REELMILL_MEDIA`, or
//! `shared/media` in a folder above.

use std::path::{Path, PathBuf};

use reelmill::model::Failure;
use reelmill::model::work::Analysis;
use reelmill::worker::protocol::Message;

use crate::testing::{encoded, media_output, run, source_of};

/// A row of the manifest.
struct Row {
    file: PathBuf,
    labels: String,
    expected: String,
}

fn corpus() -> Option<Vec<Row>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = || here.ancestors().map(|folder| folder.join("shared/media")).find(|folder| folder.is_dir());
    let folder = std::env::var_os("REELMILL_MEDIA").map(PathBuf::from).or_else(beside)?;
    let folder = if folder.join("public").is_dir() { folder.join("public") } else { folder };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).ok()?;
    let rows = manifest.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let column = |place: usize| columns.get(place).map(|text| (*text).to_owned());
        Some(Row { file: folder.join(columns.first()?), labels: column(10)?, expected: column(11)? })
    });
    Some(rows.collect())
}

/// Transcodes a file; a failure counts wherever it comes from.
fn transcode(file: &Path) -> Result<(), Failure> {
    let scratch = tempfile::tempdir().unwrap();
    let made = run(&[media_output("out.mp4", encoded())], &[source_of(file)], scratch.path());
    made.outcomes?.into_iter().try_for_each(|outcome| outcome.map(drop))
}

#[test]
#[ignore = "takes minutes; run it with --ignored"]
fn every_file_does_what_the_manifest_expects() {
    let Some(rows) = corpus() else {
        println!("no folder of real media: skipped");
        return;
    };
    let mut wrong = Vec::new();
    for row in &rows {
        let result = transcode(&row.file);
        let fine = match row.expected.as_str() {
            "ok" => result.is_ok(),
            "must-fail-clean" => result.is_err(),
            _ => true,
        };
        if !fine {
            wrong.push(format!("{} ({}): {result:?}", row.file.display(), row.expected));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn files_that_attack_are_refused() {
    let Some(rows) = corpus() else {
        println!("no folder of real media: skipped");
        return;
    };
    for row in rows.iter().filter(|row| row.file.components().any(|part| part.as_os_str() == "attack")) {
        let failure = transcode(&row.file).unwrap_err();
        assert!(failure.code.as_str().starts_with("MEDIA"), "{}: {failure}", row.file.display());
        assert!(!format!("{failure:?}").contains("root:"), "{}: {failure:?}", row.file.display());
    }
}

#[test]
fn newcomer_no_whole_file_of_real_media_is_taken_for_a_truncated_one() {
    let Some(rows) = corpus() else {
        println!("no folder of real media: skipped");
        return;
    };
    let mut wrong = Vec::new();
    // The first 35 KB of a file of 5.9 MB, as its header says.
    let part = Path::new("audio/asf.wma");
    let whole = |row: &&Row| row.expected == "ok" && !row.labels.contains("truncated") && !row.file.ends_with(part);
    for row in rows.iter().filter(whole) {
        let said = std::cell::RefCell::new(Vec::new());
        let tell = |message: &Message| said.borrow_mut().push(message.clone());
        let analysed = crate::testing::analyse(&source_of(&row.file), &Analysis::default(), &tell);
        let alarms = said.into_inner().into_iter().filter(|message| matches!(message, Message::Warning { .. }));
        wrong.extend(alarms.map(|alarm| format!("{}: {alarm:?}", row.file.display())));
        wrong.extend(analysed.err().map(|error| format!("{}: {error}", row.file.display())));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
