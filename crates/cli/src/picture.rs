//! Where `inspect` puts a picture: whoever names the wrong file must not lose it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What a picture begins with.
const BEGINNING: &[u8] = b"<svg ";

/// Puts a picture in the place of an older one, or where there is no file. It is written beside its name and then renamed, so that
/// there is always a whole one. What is no file (a device, a pipe) is written to.
pub(crate) fn replace(path: &Path, picture: &str) -> io::Result<()> {
    // Behind a link, the file that it leads to is replaced.
    let (path, metadata) = match fs::metadata(path) {
        Ok(metadata) => (path.canonicalize()?, Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (path.to_owned(), None),
        Err(error) => return Err(error),
    };
    match metadata {
        Some(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Some(metadata) if !metadata.is_file() => File::options().write(true).open(&path)?.write_all(picture.as_bytes()),
        Some(_) if !is_picture(&path)? => Err(io::Error::other("it is there already, and is no picture of this kind")),
        _ => write_beside(&path, picture),
    }
}

/// Whether there is nothing in a file, or what looks like a picture of ours.
fn is_picture(path: &Path) -> io::Result<bool> {
    let mut beginning = Vec::new();
    File::open(path)?.take(BEGINNING.len() as u64).read_to_end(&mut beginning)?;
    Ok(beginning.is_empty() || beginning == BEGINNING)
}

fn write_beside(path: &Path, picture: &str) -> io::Result<()> {
    let temporary = beside(path).ok_or_else(|| io::Error::other("the path names no file"))?;
    let written = fs::write(&temporary, picture).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // There may be none.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A name in the same directory that no other process uses.
fn beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some(path.with_file_name(format!(".{name}.{}.tmp", std::process::id())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_replaces_pictures_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        for name in ["new.svg", "empty.svg", "old.svg"] {
            fs::write(at("empty.svg"), "").expect("a file");
            replace(&at(name), "<svg >1").expect("written");
            replace(&at(name), "<svg >2").expect("written again");
            assert_eq!(fs::read_to_string(at(name)).expect("text"), "<svg >2");
        }
        fs::write(at("app.wat"), "(module)").expect("a file");
        std::os::unix::fs::symlink(at("app.wat"), at("link.svg")).expect("a link");
        for name in ["app.wat", "link.svg"] {
            assert!(replace(&at(name), "<svg >").expect_err("refused").to_string().contains("no picture"));
        }
        assert_eq!(fs::read_to_string(at("app.wat")).expect("text"), "(module)");
        assert!(replace(directory.path(), "<svg >").is_err());
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 5, "nothing is left beside them");
    }

    #[test]
    fn whoever_reads_a_picture_that_is_replaced_goes_on() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("p.svg");
        replace(&path, "<svg >first").expect("written");
        let mut reader = File::open(&path).expect("a file");
        replace(&path, "<svg >second").expect("written");
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("text");
        assert_eq!(text, "<svg >first");
        replace(Path::new("/dev/null"), "<svg >").expect("written to");
    }
}
