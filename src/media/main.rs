//! `reelmill-worker`: does one job of media work and ends.
//!
//! **Invariant**: the only code that names `ffmpeg_next`. It gets descriptors, a scratch folder and a job; it opens no
//! path outside scratch and no URL, and knows no store, no storage service and no credential.

mod bytes;
mod error;
mod source;
#[cfg(test)]
mod testing;

fn main() {}
