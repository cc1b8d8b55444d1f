//! Putting an artifact where others will find it: whole, or not at all; or into what is no file, such as a pipe.

use super::encode::Encoded;
use super::error::ArtifactError;
use super::image::Image;
use super::memfd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Whether a saved artifact survives a loss of power from the moment it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durability {
    /// It is written back before it appears under its name.
    Synced,
    /// It may be lost, or be found damaged by its hashes. Right for what can be made again.
    Cached,
}

/// Removes a file that was not put in its place.
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // Nothing can be done about a failure, and nobody looks for a file of this name.
            let _ = fs::remove_file(path);
        }
    }
}

impl Image {
    /// Writes the artifact to a new file beside `path` and renames it to `path`, so that whoever has the
    /// old one open or mapped keeps it. A link to a file stays: the file behind it is replaced. What is no file (a device, a
    /// pipe) is written to.
    ///
    /// # Errors
    ///
    /// When the directory or the file cannot be written; nothing is left behind then.
    pub fn save(&self, path: &Path, durability: Durability) -> Result<(), ArtifactError> {
        place(path, durability, |file| memfd::copy(&self.file, 0..self.file_bytes(), file))
    }
}

impl Encoded<'_> {
    /// As [`Image::save`], for an artifact that this machine need not be able to open.
    ///
    /// # Errors
    ///
    /// When the directory or the file cannot be written; nothing is left behind then.
    pub fn save(&self, path: &Path, durability: Durability) -> Result<(), ArtifactError> {
        place(path, durability, |file| self.write_to(BufWriter::new(file)))
    }
}

/// Where an artifact goes.
enum Target {
    /// In the place of the file of this name, if there is one.
    File(PathBuf),
    /// Into what is there, which is no file: others have it open, and want it to stay.
    Stream,
}

/// What saving to `path` means.
fn target(path: &Path) -> io::Result<Target> {
    // The kernel follows links here as it lets this user, and what it found is then asked for its name: following them
    // ourselves could lead elsewhere, where others can change them.
    let there = match rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(Target::File(path.to_owned())),
        Err(error) => return Err(error.into()),
    };
    let metadata = there.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Ok(Target::Stream);
    }
    if !fs::symlink_metadata(path)?.is_symlink() {
        return Ok(Target::File(path.to_owned()));
    }
    let name = fs::read_link(format!("/proc/self/fd/{}", there.as_raw_fd()))?;
    match fs::symlink_metadata(&name) {
        Ok(named) if (named.dev(), named.ino()) == (metadata.dev(), metadata.ino()) => Ok(Target::File(name)),
        _ => Err(io::Error::other("the link leads to a file that has no name")),
    }
}

/// Puts what `write` writes where `path` leads.
fn place(
    path: &Path,
    durability: Durability,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), ArtifactError> {
    match target(path).map_err(ArtifactError::system("write the artifact"))? {
        Target::File(path) => replace(&path, durability, write),
        Target::Stream => {
            let stream = File::options().write(true).open(path);
            let written = stream.and_then(|mut stream| write(&mut stream));
            written.map_err(ArtifactError::system("write the artifact"))
        }
    }
}

/// Puts a file with what `write` writes in the place of whatever is at `path`.
fn replace(
    path: &Path,
    durability: Durability,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), ArtifactError> {
    let (mut file, mut temporary) = create_beside(path).map_err(ArtifactError::system("create a file"))?;
    write(&mut file).map_err(ArtifactError::system("write the artifact"))?;
    if durability == Durability::Synced {
        file.sync_all().map_err(ArtifactError::system("write the artifact back"))?;
    }
    if let Some(name) = &temporary.0 {
        fs::rename(name, path).map_err(ArtifactError::system("rename the artifact"))?;
    }
    temporary.0 = None;
    if durability == Durability::Synced {
        // It is in its place, whole. Where the directory cannot be written back, a loss of power may bring back what was there.
        let _ = File::open(directory(path)).and_then(|directory| directory.sync_all());
    }
    Ok(())
}

impl Image {
    /// The bytes of the artifact.
    ///
    /// # Errors
    ///
    /// When its file can no longer be read.
    pub fn to_vec(&self) -> Result<Vec<u8>, ArtifactError> {
        let mut bytes = Vec::with_capacity(self.file_bytes() as usize);
        let read = memfd::pieces(&self.file, 0..self.file_bytes(), |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        read.map_err(ArtifactError::system("read the artifact"))?;
        Ok(bytes)
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file in the same directory, with a name that no other process or thread uses.
fn create_beside(path: &Path) -> io::Result<(File, Temporary)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    loop {
        let mut name = OsString::from(".");
        name.push(own);
        // Only distinctness matters, so no order with anything else does.
        name.push(format!(".{}.{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let path = directory(path).join(name);
        match File::options().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, Temporary(Some(path)))),
            // Left behind by a process that had this number before.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
