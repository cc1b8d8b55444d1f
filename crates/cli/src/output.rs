//! Where `build` puts an artifact.

use crate::load::is_standard;
use anyhow::bail;
use hatchery::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// A file, or what else has a name; or standard output, as `-` is.
pub(crate) enum Output {
    At(PathBuf),
    Standard,
}

impl Output {
    /// What is meant by a path.
    ///
    /// # Errors
    ///
    /// For a terminal, which machine code would confuse.
    pub(crate) fn of(path: PathBuf) -> anyhow::Result<Output> {
        if !is_standard(&path) {
            return Ok(Output::At(path));
        }
        if io::stdout().is_terminal() {
            bail!("standard output is a terminal, and an artifact is no text; name a file with -o");
        }
        Ok(Output::Standard)
    }

    /// Puts an artifact there, from its bytes where it cannot be saved by name.
    pub(crate) fn put(
        &self,
        save: impl FnOnce(&Path) -> Result<(), Error>,
        serialize: impl FnOnce() -> Result<Vec<u8>, Error>,
    ) -> Result<(), Error> {
        match self {
            Output::At(path) => save(path),
            Output::Standard => {
                let (bytes, mut out) = (serialize()?, io::stdout().lock());
                out.write_all(&bytes).and_then(|()| out.flush()).map_err(Error::host)
            }
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::At(path) => write!(f, "`{}`", path.display()),
            Output::Standard => f.write_str("standard output"),
        }
    }
}
