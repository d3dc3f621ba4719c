//! Reading an object by ranges over an inherited socket.
//!
//! Request: offset (`u64`, little endian), length (`u32`, little endian). Answer: status (`i32`, little endian): the
//! number of bytes that follow, 0 at the end of the object, −1 where the object could not be read (the supervisor knows
//! why and says it in the failure). One request at a time.

/// Bytes of a request.
pub const REQUEST_BYTES: usize = 12;

/// Longest range in one request, in bytes.
pub const MAX_RANGE_BYTES: u32 = 4 * 1024 * 1024;

/// Answer of a range that could not be read.
pub const FAILED: i32 = -1;

/// A request as sent.
#[must_use]
pub fn encode(offset: u64, length: u32) -> [u8; REQUEST_BYTES] {
    let mut bytes = [0; REQUEST_BYTES];
    bytes[..8].copy_from_slice(&offset.to_le_bytes());
    bytes[8..].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// A request as received: offset and length.
#[must_use]
pub fn decode(bytes: [u8; REQUEST_BYTES]) -> (u64, u32) {
    let (offset, length) = bytes.split_at(8);
    (
        u64::from_le_bytes(offset.try_into().unwrap_or_default()),
        u32::from_le_bytes(length.try_into().unwrap_or_default()),
    )
}
