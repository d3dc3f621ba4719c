//! `reelmill-worker`: does one job of media work and ends.
//!
//! **Invariant**: the only code that names `ffmpeg_next`. It gets descriptors, a scratch folder and a job; it opens no
//! path outside scratch and no URL, and knows no store, no storage service and no credential.

mod analysis;
mod bytes;
mod codecs_string;
mod error;
mod libav;
mod loudness;
mod package;
mod probe;
mod scratch;
mod source;
#[cfg(test)]
mod testing;
mod verify;

fn main() {}
