//! The worker's end of the protocol: the job, what is ordered after it, and the end of the supervisor.
//!
//! **Invariant**: a worker does not outlive its supervisor: when the socket on standard input closes, it ends.

use std::fs::File;
use std::io::{BufRead, BufReader, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::protocol::{Job, MAX_LINE_BYTES, Order, Task};

/// Most descriptors that come with one job.
pub const MAX_INPUTS: usize = 128;

/// Error of receiving a job.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The socket failed.
    #[error("cannot read the job")]
    Socket(#[source] rustix::io::Errno),
    /// The job does not conform to the protocol.
    #[error("the job is invalid: {0}")]
    Malformed(String),
}

/// Waits for a job on `socket`; `None` where the supervisor closed it instead.
pub fn receive_job(socket: impl AsFd) -> Result<Option<(Job, Vec<OwnedFd>)>, ReceiveError> {
    let mut line = Vec::new();
    let mut descriptors = Vec::new();
    let mut chunk = vec![0_u8; 64 * 1024];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_INPUTS))];
    while line.last() != Some(&b'\n') {
        if line.len() > MAX_LINE_BYTES {
            return Err(ReceiveError::Malformed(format!("longer than {MAX_LINE_BYTES} bytes")));
        }
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = match recvmsg(&socket, &mut [IoSliceMut::new(&mut chunk)], &mut control, RecvFlags::CMSG_CLOEXEC)
        {
            Err(rustix::io::Errno::INTR) => continue,
            other => other.map_err(ReceiveError::Socket)?,
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                descriptors.extend(fds);
            }
        }
        if received.bytes == 0 {
            return if line.is_empty() {
                Ok(None)
            } else {
                Err(ReceiveError::Malformed("it is incomplete".to_owned()))
            };
        }
        line.extend_from_slice(&chunk[..received.bytes]);
    }
    let job: Job = serde_json::from_slice(&line).map_err(|e| ReceiveError::Malformed(e.to_string()))?;
    if job.protocol != super::protocol::VERSION {
        return Err(ReceiveError::Malformed(format!("protocol {} of another version of Reelmill", job.protocol)));
    }
    if job.inputs.len() != descriptors.len() {
        return Err(ReceiveError::Malformed(format!(
            "{} inputs with {} descriptors",
            job.inputs.len(),
            descriptors.len()
        )));
    }
    let missing = |task: &Task| task.inputs.iter().any(|&input| input >= job.inputs.len());
    if job.tasks.is_empty() || job.tasks.iter().any(missing) {
        return Err(ReceiveError::Malformed("it has no task, or one without its inputs".to_owned()));
    }
    Ok(Some((job, descriptors)))
}

/// Ends this process when the supervisor closes `socket`, and hands on what it orders after the job.
pub fn heed_supervisor(socket: impl AsFd, mut order: impl FnMut(Order) + Send + 'static) -> std::io::Result<()> {
    let socket = File::from(socket.as_fd().try_clone_to_owned()?);
    std::thread::spawn(move || {
        for line in BufReader::new(socket).lines() {
            // What is not understood comes from no supervisor of this version.
            match line.map(|line| serde_json::from_str(&line)) {
                Ok(Ok(known)) => order(known),
                _ => break,
            }
        }
        std::process::exit(1);
    });
    Ok(())
}
