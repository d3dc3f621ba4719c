//! Receiving the job: one line of JSON, with a descriptor for each input attached to its first byte.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, OwnedFd};

use reelmill::worker::protocol::{Job, MAX_LINE_BYTES, VERSION};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::error::MediaError;
use crate::source::Source;

/// Most descriptors that come with a job.
const MAX_INPUTS: usize = 64;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Waits for a job on `socket`. `None`: the supervisor went away without one.
pub fn receive(socket: impl AsFd) -> Result<Option<(Job, Vec<Source>)>, MediaError> {
    let broken = |error: &dyn std::fmt::Display| MediaError::Job(format!("it could not be received: {error}"));
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    let mut line = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    while !line.contains(&b'\n') {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_INPUTS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut chunk)];
        let received = match recvmsg(&socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => continue,
            received => received.map_err(|error| broken(&error))?,
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.bytes == 0 {
            return if line.is_empty() { Ok(None) } else { Err(broken(&"it ends in the middle")) };
        }
        line.extend_from_slice(&chunk[..received.bytes]);
        if line.len() > MAX_LINE_BYTES {
            return Err(broken(&"it is too long"));
        }
    }
    let job: Job = serde_json::from_slice(&line).map_err(|error| broken(&error))?;
    if job.protocol != VERSION {
        return Err(MediaError::Job(format!("it speaks version {} and not {VERSION}", job.protocol)));
    }
    if job.inputs.len() != descriptors.len() {
        let (inputs, given) = (job.inputs.len(), descriptors.len());
        return Err(MediaError::Job(format!("it has {inputs} inputs and {given} descriptors")));
    }
    let sources = descriptors.into_iter().zip(&job.inputs).map(|(fd, input)| Source::new(fd, input)).collect();
    Ok(Some((job, sources)))
}
