//! Why an artifact could not be written, opened or trusted.

use std::io;

/// Why a file is not opened as an artifact, or does not hold what it says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The kernel refused one of the steps.
    #[error("cannot {step}: {source}")]
    System {
        /// What was being done.
        step: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// It is something else.
    #[error("not an artifact: {what}")]
    Foreign {
        /// What it is instead.
        what: &'static str,
    },
    /// It has another format version.
    #[error("the artifact has format version {found}, and this program reads version {expected}; build it again")]
    Version {
        /// The file's.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// What it pins is not what is here.
    #[error("the artifact's {field} is {found}, expected {expected}")]
    Field {
        /// Which pin.
        field: &'static str,
        /// What the artifact says.
        found: String,
        /// What it would have to say.
        expected: String,
    },
    /// Its code uses instructions that this machine does not have.
    #[error("the artifact's code needs CPU features that this machine lacks: {missing}")]
    CpuFeatures {
        /// Their names.
        missing: String,
    },
    /// The file was shortened while it was mapped.
    #[error("the artifact's file was shortened while it was in use")]
    Withdrawn,
    /// A part of the file lies outside what should hold it.
    #[error("the artifact's {part} ({start}..{end}) lies outside {container} (..{limit})")]
    Range {
        /// Which part.
        part: &'static str,
        /// Its first byte.
        start: u64,
        /// Behind its last byte; clamped.
        end: u64,
        /// What should hold it.
        container: &'static str,
        /// Behind that one's last byte.
        limit: u64,
    },
    /// A record contradicts itself or another.
    #[error("entry {index} of the artifact's {table}: {reason}")]
    Record {
        /// The array.
        table: &'static str,
        /// Which record.
        index: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// Bytes are not those that were written.
    #[error("the artifact's {part} is damaged: its hash is {found}, expected {expected}")]
    Hash {
        /// Which bytes.
        part: &'static str,
        /// What they hash to.
        found: String,
        /// What was recorded.
        expected: String,
    },
    /// The parts cannot be written in this format.
    #[error("cannot encode the image: {what}")]
    Encode {
        /// The reason.
        what: String,
    },
}

impl ArtifactError {
    /// For `map_err` on a system call.
    pub(super) fn system<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> ArtifactError {
        move |source| ArtifactError::System { step, source: source.into() }
    }

    /// Errors unless the two are the same.
    pub(super) fn same<T: PartialEq + core::fmt::Debug>(
        field: &'static str,
        found: T,
        expected: T,
    ) -> Result<(), ArtifactError> {
        if found == expected {
            return Ok(());
        }
        Err(ArtifactError::Field { field, found: format!("{found:?}"), expected: format!("{expected:?}") })
    }
}

/// Errors unless the bytes hash to what was recorded.
pub(super) fn same_hash(part: &'static str, found: &[u8; 32], expected: &[u8; 32]) -> Result<(), ArtifactError> {
    if found == expected {
        return Ok(());
    }
    Err(ArtifactError::Hash { part, found: hex(found), expected: hex(expected) })
}

/// Lower-case hexadecimal digits of these bytes.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
