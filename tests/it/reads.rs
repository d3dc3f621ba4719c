//! What is read of an upload in S3: by a whole execution over it, counted in front of the storage.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use reelmill::model::ObjectLocation;
use reelmill::objects::Objects;
use reelmill::objects::s3::S3Buckets;

use crate::moto::{Gate, Moto};
use crate::support::{Daemon, last_json, run_ok};

/// A probe that the stills wait for, and everything that shares one decode.
const WORKFLOW: &str = "
name: vod
output: { bucket: media, prefix: '${object.name}/' }
retry: { attempts: 1 }
activities:
  probe: { analysis: {} }
  low: { transcode: { video: { codec: h264, preset: ultrafast, short_side: 128 }, audio: { codec: aac }, name: low.mp4 } }
  middle: { transcode: { video: { codec: h264, preset: ultrafast, short_side: 144 }, audio: { codec: aac }, name: mid.mp4 } }
  high: { transcode: { video: { codec: h264, preset: ultrafast, short_side: 160 }, audio: { codec: aac }, name: high.mp4 } }
  stills: { when: probe.has_video, snapshot: { every: 1s, width: 64, name: 'still-####.jpg' } }
  sheet: { snapshot: { every: 2s, sprite: { columns: 5, rows: 1, width: 64 }, name: 'sheet-##.jpg' } }
  measured: { analysis: { loudness: true } }
";

/// The containers, how `ffmpeg` writes them, and how large they are at least. In MP4, the table of samples comes first or last.
/// These are larger than what a daemon keeps of an object; but a transport stream of such a bit rate is sampled so densely, to
/// find where its clock starts anew, that only what is kept is not read again.
const CONTAINERS: [(&str, &[&str], u64); 4] = [
    ("front.mp4", &["-movflags", "+faststart"], 40 << 20),
    ("end.mp4", &[], 40 << 20),
    ("film.mkv", &[], 40 << 20),
    ("film.ts", &["-t", "4"], 17 << 20),
];

fn ffmpeg(arguments: &[&str], file: &Path) {
    let output = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Noise of a size that may be interlaced, so that it is sampled before it is encoded; and a tone.
fn film(file: &Path) {
    let picture = "color=gray:s=720x576:r=25:d=8,noise=alls=100:allf=t";
    let inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=d=8:r=48000"];
    let encode = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-b:v", "40M", "-c:a", "aac"];
    ffmpeg(&[&inputs[..], &encode].concat(), file);
}

fn start(folder: &Path, gate: &Gate) -> Daemon {
    let workflows = folder.join("workflows");
    std::fs::create_dir(&workflows).unwrap();
    std::fs::write(workflows.join("vod.yaml"), WORKFLOW).unwrap();
    let config = format!(
        "workflows: {}\nobjects: {{ s3: {{ region: us-east-1, endpoint: '{}', path_style: true }} }}\n\
         s3_endpoint: null\nworker: {{ slots: 1 }}\n",
        workflows.display(),
        gate.url
    );
    let path = folder.join("reelmill.yaml");
    std::fs::write(&path, config).unwrap();
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, "moto".to_owned()));
    Daemon::with_config(&path, &folder.join("data"), &HashMap::from(keys))
}

#[tokio::test]
async fn an_execution_reads_each_byte_of_an_upload_in_s3_at_most_once() {
    let Some(moto) = Moto::get() else { return };
    let folder = tempfile::tempdir().unwrap();
    let objects = S3Buckets::new(&moto.options(), true).await;
    for bucket in ["reads", "media"] {
        objects.ensure_bucket(bucket).await.unwrap();
    }
    let gate = moto.gate();
    let daemon = start(folder.path(), &gate);
    let source = folder.path().join("source.mkv");
    film(&source);
    for (n, (name, options, least_bytes)) in CONTAINERS.iter().enumerate() {
        let file = folder.path().join(name);
        let copy = ["-i", source.to_str().unwrap(), "-c", "copy"];
        ffmpeg(&[&copy[..], options].concat(), &file);
        let size_bytes = file.metadata().unwrap().len();
        assert!(size_bytes > *least_bytes, "{name}: {size_bytes}");
        let object = ObjectLocation { bucket: "reads".to_owned(), key: (*name).to_owned() };
        objects.publish(&object, &file, "application/octet-stream").await.unwrap();
        last_json(&run_ok(&mut daemon.cli(&["executions", "start", "vod", &format!("s3://reads/{name}")])));
        let execution = daemon.ended(n + 1).remove(0);
        assert_eq!(execution["state"], "succeeded", "{execution:#}");
        let log = run_ok(&mut daemon.cli(&["logs", execution["id"].as_str().unwrap()]));
        let together = log.lines().filter(|line| line.contains("decoded once, together for"));
        assert_eq!(together.count(), 6, "{log}");

        let ranges: Vec<(u64, u64)> =
            gate.ranges(&format!("/reads/{name}")).into_iter().map(|range| range.expect("a range")).collect();
        let total: u64 = ranges.iter().map(|(first, last)| last + 1 - first).sum();
        assert!(total <= size_bytes, "{name}: {total} of {size_bytes}: {ranges:?}");
        let overlap = ranges.windows(2).find(|pair| pair[1].0 <= pair[0].1);
        assert!(overlap.is_none(), "{name}: {overlap:?} of {ranges:?}");
        assert!(total > size_bytes / 10 * 9, "{name}: {total} of {size_bytes}");
        assert!(ranges.len() < 80, "{name}: {ranges:?}");
    }
    assert_eq!(daemon.end(), Some(0));
}
