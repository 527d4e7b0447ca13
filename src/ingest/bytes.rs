//! A file as it lies on the disk: unpacked if it is gzipped, with the checksum of what was there.

use std::{fs, io::Read, path::Path};

use sha2::{Digest, Sha256};

use super::Error;
use crate::store::Input;

/// Largest file that is read, and largest that a gzipped one may become, bytes.
const FILE_MAX: u64 = 4 << 30;
/// Times that a gzipped file may grow: deflate cannot pack tighter than 1032 to 1.
const GROWTH_MAX: u64 = 1032;

/// The content of a file.
pub(super) struct Bytes {
    /// Bytes, unpacked.
    pub content: Vec<u8>,
    /// Name, size and checksum of the file as it lies there.
    pub input: Input,
}

/// Reads a whole file; the checksum stays empty unless it is asked for.
pub(super) fn read(path: &Path, checksum: bool) -> Result<Bytes, Error> {
    let told = |reason: String| Error::Read {
        path: path.to_owned(),
        reason,
    };
    let size = fs::metadata(path).map_err(|e| told(e.to_string()))?.len();
    let too_large = |found: String| Error::Content {
        path: path.to_owned(),
        field: "file".into(),
        found,
        expected: format!("at most {FILE_MAX}"),
    };
    if size > FILE_MAX {
        return Err(too_large(format!("{size} bytes")));
    }
    let content = fs::read(path).map_err(|e| told(e.to_string()))?;
    let input = Input {
        name: path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        bytes: content.len() as u64,
        sha256: if checksum {
            Sha256::digest(&content).iter().map(|b| format!("{b:02x}")).collect()
        } else {
            String::new()
        },
    };
    if !content.starts_with(&[0x1f, 0x8b]) {
        return Ok(Bytes { content, input });
    }
    let limit = FILE_MAX.min(content.len() as u64 * GROWTH_MAX + 1024);
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(content.as_slice())
        .take(limit + 1)
        .read_to_end(&mut unpacked)
        .map_err(|e| told(format!("unpacking gzip: {e}")))?;
    if unpacked.len() as u64 > limit {
        return Err(too_large("more than that after unpacking gzip bytes".into()));
    }
    Ok(Bytes { content: unpacked, input })
}
