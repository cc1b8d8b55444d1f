//! What an instance may have of the host, whatever its modules declare.

/// Limits of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all its memories together.
    pub memory_bytes: u64,
    /// Elements of any one table.
    pub table_elements: u64,
    /// Host values it can hold references to.
    pub externrefs: usize,
    /// Bytes of exceptions that it can hold references to.
    pub exception_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { memory_bytes: u64::MAX, table_elements: u64::MAX, externrefs: 1 << 20, exception_bytes: 16 << 20 }
    }
}
