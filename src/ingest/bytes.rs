//! A file as it lies on the disk: unpacked if it is gzipped, with the checksum of what was there.

use std::{fs, io::Read, path::Path};

use sha2::{Digest, Sha256};

use super::{Error, Limits};
use crate::store::Input;

/// The content of a file.
pub(super) struct Bytes {
    /// Bytes, unpacked.
    pub content: Vec<u8>,
    /// Name, size and checksum of the file as it lies there.
    pub input: Input,
}

/// Reads a whole file; the checksum stays empty unless it is asked for.
pub(super) fn read(path: &Path, checksum: bool, limits: Limits) -> Result<Bytes, Error> {
    let told = |reason: String| Error::Read {
        path: path.to_owned(),
        reason,
    };
    let size = fs::metadata(path).map_err(|e| told(e.to_string()))?.len();
    let too_large = |found: String, most: u64, key: &str| Error::Content {
        path: path.to_owned(),
        field: "file".into(),
        found,
        expected: format!("at most {most} (`{key}`)"),
    };
    let most = limits.file_bytes();
    if size > most {
        return Err(too_large(format!("{size} bytes"), most, "ingest.limits.file_mb"));
    }
    // A file that grows meanwhile is read as far as the limit.
    let mut content = Vec::with_capacity(size as usize + 1);
    let file = fs::File::open(path).map_err(|e| told(e.to_string()))?;
    file.take(most + 1).read_to_end(&mut content).map_err(|e| told(e.to_string()))?;
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
    let (limit, key) = limits.unpacked_bytes(content.len() as u64);
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(content.as_slice())
        .take(limit + 1)
        .read_to_end(&mut unpacked)
        .map_err(|e| told(format!("unpacking gzip: {e}")))?;
    if unpacked.len() as u64 > limit {
        return Err(too_large(
            format!("more bytes after unpacking {} of gzip", content.len()),
            limit,
            key,
        ));
    }
    Ok(Bytes { content: unpacked, input })
}
