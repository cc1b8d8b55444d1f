//! What the embedder allows with a preopened directory and everything below it.
//!
//! Permissions are the embedder's, fixed when the directory is opened, and inherited by whatever is opened through
//! it. They are not what a guest can give up for itself, which is a notion of preview 1.

bitflags::bitflags! {
    /// What may be done with directories.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DirPerms: u8 {
        /// List entries and look at names.
        const READ = 1;
        /// Create, rename, link and remove entries.
        const MUTATE = 2;
    }

    /// What may be done with files.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FilePerms: u8 {
        /// Read their bytes.
        const READ = 1;
        /// Change their bytes, length and times.
        const WRITE = 2;
    }
}
