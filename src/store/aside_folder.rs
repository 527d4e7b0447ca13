//! Whole or not at all, for outputs that are folders: written aside, and only then given their name.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{
    Error,
    whole::{folder, root_of},
};

/// A folder being written aside; dropped before [`AsideFolder::commit`] it leaves nothing.
#[derive(Debug)]
pub(super) struct AsideFolder {
    path: PathBuf,
    temporary: TempDir,
}

impl AsideFolder {
    /// Starts a folder that will be called `path`, beside it.
    pub fn create(path: &Path) -> Result<Self, Error> {
        if path.is_file() {
            return Err(Error::write(path, io::ErrorKind::AlreadyExists.into()));
        }
        Ok(Self {
            path: path.to_owned(),
            temporary: beside(path)?,
        })
    }

    /// The name that the folder will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it lies now.
    pub fn place(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives the folder its name; one of that name goes first, so that no reader finds a mixture.
    pub fn commit(self) -> Result<(), Error> {
        let refuse = |e: io::Error| Error::write(&self.path, e);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // What anybody may read beside it, anybody may read in it.
            let mode = fs::metadata(folder(&self.path)).map_err(refuse)?.permissions().mode();
            fs::set_permissions(self.temporary.path(), fs::Permissions::from_mode(mode & 0o777)).map_err(refuse)?;
        }
        flush(self.temporary.path()).map_err(refuse)?;
        if self.path.exists() {
            let old = beside(&self.path)?;
            fs::rename(&self.path, old.path().join("old")).map_err(refuse)?;
        }
        let place = self.temporary.keep();
        if let Err(e) = fs::rename(&place, &self.path) {
            // Nothing of what was begun is left.
            let _ = fs::remove_dir_all(&place);
            return Err(Error::write(&self.path, e));
        }
        if let Ok(folder) = fs::File::open(folder(&self.path)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

fn beside(path: &Path) -> Result<TempDir, Error> {
    tempfile::Builder::new()
        .prefix(".nowblend-")
        .suffix(".part")
        .tempdir_in(folder(path))
        .map_err(|e| Error::write(path, root_of(e)))
}

/// Flushes every file of a folder to the disk.
fn flush(place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        if path.is_dir() {
            flush(&path)?;
        } else {
            fs::File::open(&path)?.sync_all()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_folder_gives_way_as_a_whole() {
        let within = tempfile::tempdir().unwrap();
        let path = within.path().join("a.zarr");
        for (name, others) in [("first", 1), ("second", 1)] {
            let aside = AsideFolder::create(&path).unwrap();
            fs::write(aside.place().join(name), name).unwrap();
            aside.commit().unwrap();
            assert_eq!(fs::read_dir(&path).unwrap().count(), others);
            assert_eq!(fs::read(path.join(name)).unwrap(), name.as_bytes());
        }
        assert_eq!(fs::read_dir(within.path()).unwrap().count(), 1);
        drop(AsideFolder::create(&within.path().join("b.zarr")).unwrap());
        assert_eq!(fs::read_dir(within.path()).unwrap().count(), 1);
    }
}
