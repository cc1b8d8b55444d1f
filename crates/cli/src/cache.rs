//! The compilation cache of `run`, and `hatchery cache`.
//!
//! A directory of artifacts, each named by a hash of everything that decides what it is. Entries are only
//! ever replaced, by renaming, so that processes share the directory without a lock. They are written back
//! before they get their names: an entry that a loss of power tore would not be found damaged by opening,
//! which does not read code.

use crate::program::{Compiled, Source};
use anyhow::{Context, anyhow};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// Most bytes of all entries; the least recently used go first.
const MOST_BYTES: u64 = 1 << 30;

/// When a file that was never given its name is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(3600);

const EXTENSION: &str = "hatch";

/// Digits of a program's key: those of a hash of 32 bytes.
const KEY_DIGITS: usize = 64;

/// Manage the cache of compiled programs
///
/// `hatchery run` keeps what it compiles in HATCHERY_CACHE_DIR, or else in `hatchery` in the user's cache directory. Where it
/// cannot, programs run all the same; with HATCHERY_LOG=warn in the environment it says why.
#[derive(Debug, clap::Args)]
pub(crate) struct CacheVerb {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Remove everything that is in the cache; other files in its directory stay
    Clear,
    /// Print the cache's directory
    Path,
}

impl CacheVerb {
    pub(crate) fn execute(self) -> anyhow::Result<ExitCode> {
        let directory =
            directory(|name| std::env::var_os(name)).ok_or_else(|| anyhow!("there is no cache: {NOWHERE}"))?;
        match self.what {
            What::Path => {
                use io::Write;
                writeln!(io::stdout(), "{}", directory.display())?;
            }
            What::Clear => {
                let cache = Cache { directory };
                cache.clear().with_context(|| format!("cannot clear `{}`", cache.directory.display()))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Why there is no directory for it.
const NOWHERE: &str = "none of HATCHERY_CACHE_DIR, XDG_CACHE_HOME and HOME is set, the last two to an absolute path";

/// Where the cache is, by the environment.
fn directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let own = variable("HATCHERY_CACHE_DIR").filter(|path| !path.is_empty()).map(PathBuf::from);
    own.or_else(|| absolute("XDG_CACHE_HOME").map(|path| path.join("hatchery")))
        .or_else(|| absolute("HOME").map(|path| path.join(".cache/hatchery")))
}

/// A directory of artifacts that nobody but the user can write to.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// The user's cache; `None` where there can be none, with a warning for whoever listens.
    pub(crate) fn of_user() -> Option<Cache> {
        let Some(directory) = directory(|name| std::env::var_os(name)) else {
            tracing::warn!("no compilation cache: {NOWHERE}");
            return None;
        };
        match Cache::at(&directory) {
            Ok(cache) => Some(cache),
            Err(error) => {
                tracing::warn!(path = %directory.display(), %error, "no compilation cache");
                None
            }
        }
    }

    fn at(directory: &Path) -> io::Result<Cache> {
        let metadata = match fs::metadata(directory) {
            Ok(metadata) => metadata,
            Err(_) => {
                DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
                fs::metadata(directory)?
            }
        };
        check(&metadata)?;
        Ok(Cache { directory: directory.to_owned() })
    }

    /// The name for what a program compiles to.
    pub(crate) fn entry(&self, source: &Source) -> Option<PathBuf> {
        // What cannot be compiled has no name; compiling says why.
        let key = source.cache_key().ok()?;
        Some(self.directory.join(format!("{key}-{:x}", build())).with_extension(EXTENSION))
    }

    /// Whether there is an entry, and nobody but the user can have written to it: neither by its own permissions nor, where
    /// those are wide, because others cannot enter its directory.
    pub(crate) fn is_private(entry: &Path) -> bool {
        let own = |m: &Metadata| m.uid() == rustix::process::geteuid().as_raw();
        let Ok(file) = fs::symlink_metadata(entry) else { return false };
        let closed =
            || entry.parent().and_then(|parent| fs::metadata(parent).ok()).is_some_and(|m| m.mode() & 0o077 == 0);
        let private = file.is_file() && own(&file) && (file.mode() & 0o022 == 0 || closed());
        if !private {
            tracing::warn!(path = %entry.display(), "others can write to an entry of the compilation cache");
        }
        private
    }

    /// Notes that an entry was of use.
    pub(crate) fn used(entry: &Path) {
        // The order of removal becomes worse where this fails.
        let _ = File::open(entry).and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// Keeps a program, and removes others until all fit.
    pub(crate) fn put(&self, program: &Compiled, entry: &Path) {
        let saved = program.save(entry).map_err(io::Error::other);
        // Also where there was no room.
        for error in [saved, self.trim(MOST_BYTES)].into_iter().filter_map(Result::err) {
            tracing::warn!(path = %self.directory.display(), %error, "cannot write to the compilation cache");
        }
    }

    /// Files of ours: path, metadata. The directory may be one that has others, artifacts among them.
    fn files(&self) -> io::Result<Vec<(PathBuf, Metadata)>> {
        let ours = |path: &Path| is_entry(path) || is_temporary(path);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            // Another process may have removed it.
            if let (true, Ok(metadata)) = (ours(&path), fs::symlink_metadata(&path))
                && !metadata.is_dir()
            {
                files.push((path, metadata));
            }
        }
        Ok(files)
    }

    fn trim(&self, most: u64) -> io::Result<()> {
        let now = SystemTime::now();
        let (temporary, mut entries): (Vec<_>, Vec<_>) =
            self.files()?.into_iter().partition(|(path, _)| is_temporary(path));
        for (path, metadata) in temporary {
            if metadata.modified().is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > ABANDONED)) {
                remove(&path)?;
            }
        }
        entries.sort_by_key(|(_, metadata)| metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        let mut bytes: u64 = entries.iter().map(|(_, metadata)| metadata.len()).sum();
        for (path, metadata) in entries {
            if bytes <= most {
                break;
            }
            remove(&path)?;
            bytes -= metadata.len();
        }
        Ok(())
    }

    fn clear(&self) -> io::Result<()> {
        match self.files() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            files => files?.iter().try_for_each(|(path, _)| remove(path)),
        }
    }
}

/// Which build of this program this is, whatever its version: another may compile otherwise.
fn build() -> i128 {
    let metadata = std::env::current_exe().and_then(fs::metadata);
    metadata.map_or(0, |m| i128::from(m.mtime()) << 64 | i128::from(m.mtime_nsec()) << 34 ^ i128::from(m.len()))
}

/// Whether it has the name of an entry.
fn is_entry(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    path.extension().is_some_and(|extension| extension == EXTENSION) && stem.is_some_and(is_stem)
}

/// Whether it is an entry that a process was writing when it ended, or still is.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.and_then(|name| name.strip_prefix('.')?.strip_suffix(".tmp")?.split_once('.'));
    name.is_some_and(|(stem, rest)| is_stem(stem) && rest.split('.').next() == Some(EXTENSION))
}

/// Whether it is a program's key, and a build, as [`Cache::entry`] writes them.
fn is_stem(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    text.split_once('-')
        .is_some_and(|(key, build)| key.len() == KEY_DIGITS && is_hex(key) && !build.is_empty() && is_hex(build))
}

/// Removes a file that another process may have removed.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Errors unless only the user can put machine code there.
fn check(metadata: &Metadata) -> io::Result<()> {
    if !metadata.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other("other users can write to it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn variables<'a>(pairs: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + use<'a> {
        |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
    }

    #[test]
    fn the_environment_says_where_it_is() {
        let at = |pairs: &[(&str, &str)]| directory(variables(pairs)).map(|path| path.display().to_string());
        assert_eq!(at(&[("HOME", "/h")]).as_deref(), Some("/h/.cache/hatchery"));
        assert_eq!(at(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]).as_deref(), Some("/c/hatchery"));
        assert_eq!(at(&[("HOME", "/h"), ("XDG_CACHE_HOME", "relative")]).as_deref(), Some("/h/.cache/hatchery"));
        assert_eq!(at(&[("HATCHERY_CACHE_DIR", "d"), ("XDG_CACHE_HOME", "/c")]).as_deref(), Some("d"));
        assert_eq!(at(&[]), None);
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_no_cache() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(Cache::at(directory.path()).is_ok());
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
        assert!(Cache::at(directory.path()).expect_err("refused").to_string().contains("other users"));
    }

    #[test]
    fn an_entry_that_others_can_write_to_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let entry = directory.path().join("a.hatch");
        assert!(!Cache::is_private(&entry), "there is none");
        fs::write(&entry, []).expect("a file");
        let mode =
            |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
        for (folder, file, private) in [(0o755, 0o644, true), (0o755, 0o664, false), (0o700, 0o664, true)] {
            mode(directory.path(), folder);
            mode(&entry, file);
            assert_eq!(Cache::is_private(&entry), private, "{folder:o} {file:o}");
        }
        let link = directory.path().join("link.hatch");
        std::os::unix::fs::symlink(&entry, &link).expect("a link");
        assert!(!Cache::is_private(&link));
    }

    /// What an entry is called.
    fn entry(digit: char) -> String {
        format!("{}-1f.hatch", digit.to_string().repeat(KEY_DIGITS))
    }

    #[test]
    fn the_least_recently_used_go_first_and_other_files_stay() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(directory.path()).expect("a cache");
        let file = |name: &str, age: u64| {
            let path = directory.path().join(name);
            fs::write(&path, [0; 100]).expect("a file");
            let at = SystemTime::now() - Duration::from_secs(age);
            File::options().write(true).open(&path).and_then(|file| file.set_modified(at)).expect("a time");
            path
        };
        let (old, new, older) = (file(&entry('0'), 20), file(&entry('1'), 10), file(&entry('a'), 30));
        let temporary = |digit, process| format!(".{}.{process}.0.tmp", entry(digit));
        let (foreign, left, writing) =
            (file("notes.txt", 9999), file(&temporary('a', 1), 9999), file(&temporary('b', 2), 5));
        cache.trim(250).expect("trimmed");
        let exist = |paths: [&PathBuf; 6]| paths.map(|path| path.exists());
        assert_eq!(exist([&old, &new, &older, &foreign, &left, &writing]), [true, true, false, true, false, true]);
        Cache::used(&old);
        cache.trim(100).expect("trimmed");
        assert_eq!([old.exists(), new.exists()], [true, false]);
        cache.clear().expect("cleared");
        assert_eq!([old.exists(), writing.exists(), foreign.exists()], [false, false, true]);
    }

    #[test]
    fn artifacts_that_are_no_entries_stay() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(directory.path()).expect("a cache");
        let short = entry('0').split_off(1);
        let others = [
            "app.hatch",
            ".app.hatch.1.0.tmp",
            "no-1f.hatch",
            &short,
            &entry('A'),
            &entry('0').replace("-1f", "-"),
            &entry('0').replace("-1f", ""),
            &entry('0').replace(".hatch", ".wasm"),
        ];
        let paths = others.map(|name| directory.path().join(name));
        paths.iter().for_each(|path| fs::write(path, [0; 100]).expect("a file"));
        cache.trim(0).expect("trimmed");
        cache.clear().expect("cleared");
        let gone: Vec<_> = paths.iter().filter(|path| !path.exists()).collect();
        assert!(gone.is_empty(), "{gone:?}");
    }
}
