//! Whole or not at all: a file is written aside, flushed to the disk, and only then takes its name.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::Error;

/// How the names of files aside begin and end.
const PREFIX: &str = ".nowblend-";
const SUFFIX: &str = ".part";

/// Writes `bytes` to `path` so that a reader finds the old file or the new one, never a part.
///
/// # Errors
///
/// [`Error::Write`] with the path and the reason.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut aside = Aside::create(path)?;
    aside.file().write_all(bytes).map_err(|e| Error::write(path, e))?;
    aside.commit()
}

/// A file being written aside; dropped before [`Aside::commit`] it leaves nothing.
#[derive(Debug)]
pub struct Aside {
    path: PathBuf,
    temporary: NamedTempFile,
}

impl Aside {
    /// Starts a file that will be called `path`, in the same folder.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when the folder does not exist or may not be written to, or `path` is a folder.
    pub fn create(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return Err(Error::write(path, io::ErrorKind::IsADirectory.into()));
        }
        let told = |e: io::Error| Error::write(path, root_of(e));
        let mut temporary = Self::locked(path).map_err(told)?;
        // Between its making and its lock another run may have taken it for a left-over one, and removed it.
        for _ in 0..100 {
            if temporary.path().exists() {
                break;
            }
            temporary = Self::locked(path).map_err(told)?;
        }
        Ok(Self {
            path: path.to_owned(),
            temporary,
        })
    }

    /// A new file beside `path`, locked as long as it is open: so a later run knows whether its writer still lives.
    fn locked(path: &Path) -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        {
            // What the user's mask leaves of it; the crate's own default would hide the file from everyone else.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(folder(path))?;
        // Where the file system knows no locks, left-over files stay: hidden, and nobody's forecast.
        let _ = temporary.as_file().lock();
        Ok(temporary)
    }

    /// The file, open for writing.
    pub fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// The name that the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Flushes the file to the disk and gives it its name, replacing an older one.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; nothing is left under the final name that was not there before.
    pub fn commit(self) -> Result<(), Error> {
        self.temporary.as_file().sync_all().map_err(|e| Error::write(&self.path, e))?;
        self.temporary.persist(&self.path).map_err(|e| Error::write(&self.path, e.error))?;
        // The name is durable once the folder is; a file system that cannot flush folders loses nothing by it.
        if let Ok(folder) = File::open(folder(&self.path)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

/// Removes what runs that were killed left half-written in a folder; what a living one writes stays.
///
/// A file aside is locked by its writer, and the system gives the lock back when the writer ends, however it ends.
pub fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(Result::ok).map(|e| e.path()) {
        let name = path.file_name().map_or_else(Default::default, |n| n.to_string_lossy());
        let aside = name.starts_with(PREFIX) && name.ends_with(SUFFIX);
        if aside && File::open(&path).is_ok_and(|file| file.try_lock().is_ok() && std::fs::remove_file(&path).is_ok()) {
            tracing::debug!("removed `{}`, which a run that was stopped had left", path.display());
        }
    }
}

pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The system's own error, without the name of the temporary file, which says nothing to the user.
pub(super) fn root_of(e: io::Error) -> io::Error {
    e.raw_os_error()
        .map_or(e.kind(), |code| io::Error::from_raw_os_error(code).kind())
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        write_whole(&path, b"old").unwrap();
        let mut aside = Aside::create(&path).unwrap();
        aside.file().write_all(b"half of the ne").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        drop(aside);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        write_whole(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_what_a_living_one_writes_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".nowblend-abc.part"), "left").unwrap();
        std::fs::write(folder.path().join("mine.part"), "mine").unwrap();
        let mut living = Aside::create(&folder.path().join("a.csv")).unwrap();
        sweep(folder.path());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        living.file().write_all(b"whole").unwrap();
        living.commit().unwrap();
        assert_eq!(std::fs::read(folder.path().join("a.csv")).unwrap(), b"whole");
    }

    #[test]
    fn an_unwritable_place_is_named_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not_there/a.csv");
        let message = write_whole(&path, b"").unwrap_err().to_string();
        assert!(
            message.contains("not_there/a.csv") && message.contains("not found") && message.contains("hint:"),
            "{message}"
        );
        let message = write_whole(folder.path(), b"").unwrap_err().to_string();
        assert!(message.contains("name a file"), "{message}");
    }
}
