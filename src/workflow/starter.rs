//! The starter workflow, which `reelmill init` and the console write.

/// Name of the workflow that [`starter`] writes.
pub const STARTER: &str = "starter";

/// Returns the text of a workflow that makes MP4s, HLS and a poster of uploads to `incoming/` in bucket `uploads`, and
/// publishes them in bucket `output`.
#[must_use]
pub fn starter(uploads: &str, output: &str) -> String {
    format!(
        r#"# Every video and recording in s3://{uploads}/incoming/ becomes MP4s, HLS and a poster in s3://{output}/.
# A running daemon reads this file again within a second of every change; `reelmill validate` checks it.
name: {STARTER}
description: MP4s, HLS and a poster of every upload.

# Uploads that start it. `incoming/**/*.…` would take those in folders too.
trigger:
  bucket: {uploads}
  key: "incoming/*.{{mp4,m4v,mov,mkv,webm,avi,mpg,ts,mp3,m4a,wav}}"

# Outputs are named by this prefix and the name of each: clip.mp4/360p.mp4
output:
  bucket: {output}
  prefix: "${{object.name}}/"

activities:
  # What is in the file, for the conditions below.
  probe:
    analysis: {{}}

  small:
    transcode: {{ template: h264-360p, name: 360p.mp4 }}

  # Only where the source is large enough.
  large:
    when: probe.video.short_side >= 720
    transcode: {{ template: h264-720p, name: 720p.mp4 }}

  poster:
    when: probe.has_video
    snapshot: {{ at: 10%, name: poster.jpg }}

  # Packages the renditions that were made.
  hls:
    package: {{ from: [small, large], protocol: hls }}
"#
    )
}
