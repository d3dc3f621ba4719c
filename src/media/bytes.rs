//! The bytes of an input: a file, or a supervisor that reads ranges of an object for us.
//!
//! **Invariant**: everything is read by position from a descriptor that was given; nothing is opened. A read that
//! fails for reasons outside the media is remembered ([`Bytes::failed`]), so that it is never mistaken for damage.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reelmill::worker::protocol::{Input, Source as Kind};
use reelmill::worker::ranges;

/// First range asked for after a jump, in bytes; doubles while reading goes on in sequence.
const FIRST_RANGE_BYTES: u32 = 128 * 1024;

/// Bytes kept of what was read last, so that streams stored apart in a file can be read side by side, each with steps back:
/// six places with the longest ranges.
const RECENT_BYTES: usize = 6 * ranges::MAX_RANGE_BYTES as usize;

/// An input's bytes, shared by everything that reads them.
#[derive(Debug)]
pub struct Bytes {
    from: From,
    size: u64,
    failed: AtomicBool,
}

#[derive(Debug)]
enum From {
    File(File),
    Ranges(Mutex<Ranges>),
    Memory(Arc<[u8]>),
}

impl Bytes {
    /// Bytes that are there already.
    #[must_use]
    pub fn in_memory(bytes: Arc<[u8]>) -> Self {
        let size = bytes.len() as u64;
        Self { from: From::Memory(bytes), size, failed: AtomicBool::new(false) }
    }

    /// Takes over a descriptor that came with `input`.
    #[must_use]
    pub fn new(fd: OwnedFd, input: &Input) -> Self {
        let from = match input.source {
            Kind::File => From::File(File::from(fd)),
            Kind::Ranges => From::Ranges(Mutex::new(Ranges::new(UnixStream::from(fd)))),
        };
        Self { from, size: input.size_bytes, failed: AtomicBool::new(false) }
    }

    /// Size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether a read ever failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // A place that only the media name: the system would take one that is high enough for a failure of the file.
        if offset >= self.size {
            return Ok(0);
        }
        let read = match &self.from {
            From::File(file) => file.read_at(buffer, offset),
            From::Memory(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
                let length = rest.len().min(buffer.len());
                buffer[..length].copy_from_slice(&rest[..length]);
                Ok(length)
            }
            From::Ranges(ranges) => ranges.lock().unwrap_or_else(PoisonError::into_inner).read_at(buffer, offset),
        };
        if read.as_ref().is_err_and(|e| e.kind() != io::ErrorKind::Interrupted) {
            self.failed.store(true, Ordering::Relaxed);
        }
        read
    }
}

/// One reader with a position of its own.
#[derive(Debug)]
pub struct Reader {
    bytes: Arc<Bytes>,
    position: u64,
}

impl Reader {
    /// At the start.
    #[must_use]
    pub const fn new(bytes: Arc<Bytes>) -> Self {
        Self { bytes, position: 0 }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.bytes.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// The worker's end of a ranges socket.
#[derive(Debug)]
struct Ranges {
    socket: UnixStream,
    /// Least recently used first.
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Window {
    offset: u64,
    bytes: Vec<u8>,
    /// Length that was asked for.
    asked: u32,
}

impl Window {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }

    fn from(&self, offset: u64) -> &[u8] {
        usize::try_from(offset.wrapping_sub(self.offset)).ok().and_then(|at| self.bytes.get(at..)).unwrap_or_default()
    }
}

impl Ranges {
    const fn new(socket: UnixStream) -> Self {
        Self { socket, windows: Vec::new() }
    }

    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let window = self.window(offset)?;
        let bytes = window.from(offset);
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Ok(length)
    }

    /// A window that holds `offset`, empty at the end of the object.
    fn window(&mut self, offset: u64) -> io::Result<&Window> {
        let window = if let Some(at) = self.windows.iter().position(|window| !window.from(offset).is_empty()) {
            self.windows.remove(at)
        } else {
            let before = self.windows.iter().find(|window| window.end() == offset);
            let asked = before.map_or(FIRST_RANGE_BYTES, |window| (window.asked * 2).min(ranges::MAX_RANGE_BYTES));
            let bytes = self.request(offset, asked)?;
            self.make_room(bytes.len());
            Window { offset, bytes, asked }
        };
        self.windows.push(window);
        self.windows.last().ok_or_else(|| io::ErrorKind::Other.into())
    }

    /// Forgets what was not used for longest, until there is room for `length` bytes.
    fn make_room(&mut self, length: usize) {
        self.windows.retain(|window| !window.bytes.is_empty());
        let mut kept: usize = self.windows.iter().map(|window| window.bytes.len()).sum();
        while kept + length > RECENT_BYTES && !self.windows.is_empty() {
            kept -= self.windows.remove(0).bytes.len();
        }
    }

    fn request(&mut self, offset: u64, length: u32) -> io::Result<Vec<u8>> {
        self.socket.write_all(&ranges::encode(offset, length))?;
        let mut status = [0; 4];
        self.socket.read_exact(&mut status)?;
        let status = i32::from_le_bytes(status);
        let count = u32::try_from(status).map_err(|_| io::Error::other("the object could not be read from storage"))?;
        if count > length {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; count as usize];
        self.socket.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(mut socket: UnixStream, object: Vec<u8>, fail_beyond: u64) -> std::thread::JoinHandle<Vec<(u64, u32)>> {
        std::thread::spawn(move || {
            let mut asked = Vec::new();
            let mut request = [0; ranges::REQUEST_BYTES];
            while socket.read_exact(&mut request).is_ok() {
                let (offset, length) = ranges::decode(request);
                asked.push((offset, length));
                if offset >= fail_beyond {
                    socket.write_all(&ranges::FAILED.to_le_bytes()).unwrap();
                    continue;
                }
                let from = usize::try_from(offset).unwrap().min(object.len());
                let to = (from + length as usize).min(object.len());
                socket.write_all(&i32::try_from(to - from).unwrap().to_le_bytes()).unwrap();
                socket.write_all(&object[from..to]).unwrap();
            }
            asked
        })
    }

    fn input(size: usize) -> Input {
        Input { source: Kind::Ranges, size_bytes: size as u64, ext: String::new() }
    }

    #[test]
    fn ranges_read_what_the_object_holds() {
        let object: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = serve(theirs, object.clone(), u64::MAX);
        let bytes = Arc::new(Bytes::new(ours.into(), &input(object.len())));
        let mut read = Vec::new();
        Reader::new(Arc::clone(&bytes)).read_to_end(&mut read).unwrap();
        assert!(read == object);
        assert!(!bytes.failed());
        drop(bytes);
        let asked = server.join().unwrap();
        assert!(asked.len() < 8, "reading in sequence asks for ever longer ranges: {asked:?}");
    }

    #[test]
    fn two_places_are_read_side_by_side() {
        let object = vec![7; 2_000_000];
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = serve(theirs, object.clone(), u64::MAX);
        let bytes = Bytes::new(ours.into(), &input(object.len()));
        let mut buffer = [0; 1000];
        for n in 0..100 {
            assert_eq!(bytes.read_at(&mut buffer, n * 1000).unwrap(), 1000);
            assert_eq!(bytes.read_at(&mut buffer, 1_000_000 + n * 1000).unwrap(), 1000);
        }
        drop(bytes);
        assert_eq!(server.join().unwrap().len(), 2);
    }

    #[test]
    fn a_step_back_asks_for_nothing_again_and_what_is_kept_has_a_bound() {
        let object = vec![7; 3 * RECENT_BYTES];
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = serve(theirs, object.clone(), u64::MAX);
        let mut ranges = Ranges::new(ours);
        let (mut buffer, mut at) = ([0; 4_096], 0);
        while at < object.len() as u64 {
            at += ranges.read_at(&mut buffer, at).unwrap() as u64;
            let back = at.saturating_sub(u64::from(ranges::MAX_RANGE_BYTES));
            assert_eq!(ranges.read_at(&mut buffer, back).unwrap(), buffer.len());
        }
        let kept: usize = ranges.windows.iter().map(|window| window.bytes.capacity()).sum();
        assert!(kept <= RECENT_BYTES, "{kept}");
        drop(ranges);
        let asked = server.join().unwrap();
        let total: u64 = asked.iter().map(|&(_, length)| u64::from(length)).sum();
        assert!(asked.is_sorted() && total < (object.len() + RECENT_BYTES) as u64, "{asked:?}");
    }

    #[test]
    fn a_place_far_behind_the_end_is_no_failure_of_the_file() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10).unwrap();
        let input = Input { source: Kind::File, size_bytes: 10, ext: String::new() };
        let bytes = Bytes::new(file.into(), &input);
        assert_eq!(bytes.read_at(&mut [0; 16], u64::MAX).unwrap(), 0);
        assert_eq!(bytes.read_at(&mut [0; 16], 4).unwrap(), 6);
        assert!(!bytes.failed());
    }

    #[test]
    fn a_failed_range_is_remembered() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = serve(theirs, vec![0; 1_000_000], 500_000);
        let bytes = Bytes::new(ours.into(), &input(1_000_000));
        assert!(bytes.read_at(&mut [0; 10], 0).is_ok());
        assert!(!bytes.failed());
        assert!(bytes.read_at(&mut [0; 10], 600_000).is_err());
        assert!(bytes.failed());
        drop(bytes);
        server.join().unwrap();
    }
}
