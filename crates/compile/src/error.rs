//! Why there is no image.

use hatchery_image::artifact::ArtifactError;
use hatchery_image::{InstanceId, LayoutError, Shown};

/// Why no slot can hold what would be compiled: what is needed and what the limit is.
pub type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// Why a set of modules could not be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// A module is malformed or invalid, whatever features are supported.
    #[error("invalid WebAssembly: {message} (at offset {offset:#x})")]
    Invalid {
        /// The module's number in the link set; 0 outside of one.
        module: usize,
        /// Where in its binary.
        offset: usize,
        /// What is wrong.
        message: String,
    },
    /// A module uses a proposal that is not supported.
    #[error("the {proposal} proposal is not supported: {message} (at offset {offset:#x})")]
    Unsupported {
        /// The module's number in the link set; 0 outside of one.
        module: usize,
        /// The proposal's name.
        proposal: &'static str,
        /// Where in its binary.
        offset: usize,
        /// What needs it.
        message: String,
    },
    /// The instances do not fit together.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The set is larger than its budget.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// Memories, tables and globals do not fit a slot.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// No slot can hold it, says whoever gives slots.
    #[error(transparent)]
    Refused(Refusal),
    /// A function is too large or too complicated for the code generator.
    #[error("function {function} of module {module} exceeds a limit of the code generator: {message}")]
    Limit {
        /// The module's number in the link set.
        module: usize,
        /// The function's index in its module.
        function: u32,
        /// Which limit.
        message: String,
    },
    /// The target CPU is unknown or not this machine's kind.
    #[error("cannot compile for this target: {0}")]
    Target(String),
    /// The image could not be stored or mapped.
    #[error("cannot make the image: {0}")]
    Image(#[source] ArtifactError),
    /// A mistake of the compiler's own.
    #[error("bug in the compiler: {0}")]
    Internal(String),
}

/// Why the instances of a set do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Nothing has this name where the import looks for it.
    #[error("unknown import: `{}` `{}` of core instance {} is not there", Shown(module), Shown(name), .instance.0)]
    UnknownImport {
        /// The importing instance.
        instance: InstanceId,
        /// Module name of the import.
        module: String,
        /// Field name of the import.
        name: String,
    },
    /// What has this name is of another type.
    #[error("incompatible import type: `{}` `{}` of core instance {} must be {expected}, found {found}", Shown(module), Shown(name), .instance.0)]
    IncompatibleImport {
        /// The importing instance.
        instance: InstanceId,
        /// Module name of the import.
        module: String,
        /// Field name of the import.
        name: String,
        /// What the module asks for.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The host provides functions only.
    #[error("unknown import: `{}` `{}` of core instance {} is {expected}, and the host provides only functions", Shown(module), Shown(name), .instance.0)]
    HostImportNotFunction {
        /// The importing instance.
        instance: InstanceId,
        /// Module name of the import.
        module: String,
        /// Field name of the import.
        name: String,
        /// What the module asks for.
        expected: String,
    },
    /// The host can hold no references to exceptions.
    #[error("import `{}` `{}` of core instance {} takes or returns references to exceptions, which the host cannot have", Shown(module), Shown(name), .instance.0)]
    HostImportOfExceptions {
        /// The importing instance.
        instance: InstanceId,
        /// Module name of the import.
        module: String,
        /// Field name of the import.
        name: String,
    },
    /// The set names a module or an earlier instance that is not in it.
    #[error("core instance {} names {what} {number}, which the set does not have", .instance.0)]
    NotInSet {
        /// The instance that names it.
        instance: InstanceId,
        /// `"module"` or `"instance"`.
        what: &'static str,
        /// Its number.
        number: usize,
    },
}

/// What linking may take; checked before any work that grows with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Core instances.
    pub instances: u64,
    /// Functions defined or imported, over all instances.
    pub functions: u64,
    /// Bytes of code sections, over all instances.
    pub code_bytes: u64,
    /// Those of them that are compiled again, because a module is instantiated again.
    pub repeated_code_bytes: u64,
    /// Values that functions and instructions take and give, and locals, over all instances, besides eight for each byte of
    /// code. A value that an exception handler takes counts as eight, a handler of a call as four.
    pub values: u64,
    /// Types declared, over all modules.
    pub types: u64,
    /// Memories, tables, globals, segments, imports and exports, over all instances.
    pub items: u64,
    /// Bytes in the names of imports and exports, over all instances.
    pub name_bytes: u64,
    /// Elements of element segments, over all instances.
    pub elements: u64,
    /// Bytes of data segments, over all instances.
    pub data_bytes: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            instances: 10_000,
            functions: 1_000_000,
            code_bytes: 512 << 20,
            repeated_code_bytes: 32 << 20,
            values: 100_000,
            types: 1_000_000,
            items: 2_000_000,
            name_bytes: 256 << 20,
            elements: 20_000_000,
            data_bytes: 1 << 30,
        }
    }
}

impl Budget {
    /// Values that so much code may have. Instructions of a byte each make work for as many values as a type has, of which
    /// there may be a thousand. Where no instruction gives more than one value, each that is taken was given by one: less than
    /// three for each byte.
    pub(crate) fn values_of(&self, code_bytes: u64) -> u64 {
        const VALUES_PER_BYTE: u64 = 8;
        self.values.saturating_add(code_bytes.saturating_mul(VALUES_PER_BYTE))
    }
}

/// Which part of the budget a set exceeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the modules have, linked, {needed} {what}; {allowed} are allowed")]
pub struct BudgetError {
    /// What there is too much of.
    pub what: &'static str,
    /// How much there would be; at least, where nobody counted on.
    pub needed: u64,
    /// How much there may be.
    pub allowed: u64,
}
