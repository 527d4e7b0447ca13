//! How large foreign files may claim to be before they are refused.

use serde::{Deserialize, Serialize};

use super::Error;

/// What files may ask of memory; whoever runs larger composites raises them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest file that is read, and largest that a gzipped one becomes, MB, 1 to 65536.
    pub file_mb: u64,
    /// Times that a gzipped file of more than 32 MB unpacked may grow, 1 to 1032: deflate packs no tighter.
    pub gzip_growth: u64,
    /// Most points of a field, in millions, 1 to 1024.
    pub points_million: u64,
    /// Largest chunk or selection that is decoded at once from NetCDF and HDF5, MB, 1 to 65536.
    pub decoded_mb: u64,
}

/// Size to which a gzipped file may always grow, bytes: a dry composite of two million cells is 200 times smaller than its cells.
const UNPACKED_FREE: u64 = 32 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_mb: 4096,
            gzip_growth: 100,
            points_million: 64,
            decoded_mb: 512,
        }
    }
}

impl Limits {
    /// Checks every number against its bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for the first that is outside.
    pub fn check(&self) -> Result<(), Error> {
        let numbers: [(&'static str, u64, u64, &'static str); 4] = [
            ("limits.file_mb", self.file_mb, 65_536, "1 to 65536"),
            ("limits.gzip_growth", self.gzip_growth, 1032, "1 to 1032"),
            ("limits.points_million", self.points_million, 1024, "1 to 1024"),
            ("limits.decoded_mb", self.decoded_mb, 65_536, "1 to 65536"),
        ];
        for (key, found, most, expected) in numbers {
            if !(1..=most).contains(&found) {
                return Err(Error::Config {
                    key,
                    found: found.to_string(),
                    expected,
                });
            }
        }
        Ok(())
    }

    /// Largest file, bytes.
    pub(super) fn file_bytes(self) -> u64 {
        self.file_mb << 20
    }

    /// Largest that a gzipped file of `packed` bytes may become, bytes, and the key that says so.
    pub(super) fn unpacked_bytes(self, packed: u64) -> (u64, &'static str) {
        let grown = packed.saturating_mul(self.gzip_growth).max(UNPACKED_FREE);
        if grown < self.file_bytes() {
            (grown, "ingest.limits.gzip_growth")
        } else {
            (self.file_bytes(), "ingest.limits.file_mb")
        }
    }

    /// Most points of a field.
    pub(super) fn points(self) -> u64 {
        self.points_million << 20
    }

    /// Largest chunk or selection, bytes.
    pub(super) fn decoded_bytes(self) -> usize {
        usize::try_from(self.decoded_mb << 20).unwrap_or(usize::MAX)
    }
}
