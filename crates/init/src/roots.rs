//! What must not be in a snapshot, looked for where it could be.

use crate::image::{self, Referent};
use core::fmt;
use hatchery_image::{ExportItem, Image, MAX_RUNS, Shown};
use hatchery_vm::Access;

/// Why an instance cannot be a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A root holds a reference to a host value, which no file can hold.
    #[error("{root} refers to a host value")]
    HostValue {
        /// Where it is.
        root: Root,
    },
    /// A root holds a reference to an exception, which no file can hold.
    #[error("{root} refers to an exception")]
    Exception {
        /// Where it is.
        root: Root,
    },
    /// No root holds one now, but the guest was given some.
    #[error("the guest was given references to {given} host values")]
    HostValues {
        /// How many.
        given: usize,
    },
    /// A call is on a stack.
    #[error("a call is suspended")]
    Busy,
    /// There is so much to copy that it takes longer than a step may.
    #[error("copying what it contains takes longer than a step may")]
    Slow,
    /// Each run of pages is a mapping of every slot.
    #[error("its pages lie in {runs} runs, far from each other, and there can be {MAX_RUNS}")]
    Scattered {
        /// How many there are, when all gaps are bridged that are worth it.
        runs: usize,
    },
    /// The host state is not at rest.
    #[error("{0}")]
    Host(String),
}

/// A place that can hold a reference that no file can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    item: ExportItem,
    /// An export of it: the instance's name and its own.
    name: Option<(Option<String>, String)>,
    /// The element, in a table.
    index: Option<u64>,
}

impl Root {
    fn new(image: &Image, item: ExportItem, index: Option<u64>) -> Root {
        let name = image::export_name(image, item);
        let name = name.map(|(instance, name)| (instance.map(str::to_owned), name.to_owned()));
        Root { item, name, index }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(index) = self.index {
            write!(f, "element {index} of ")?;
        }
        let (kind, number) = match self.item {
            ExportItem::Table(id) => ("table", id.0),
            ExportItem::Global(id) => ("global", id.0),
            ExportItem::Memory(id) => ("memory", id.0),
            ExportItem::Func(func) => ("function", func.code_offset),
        };
        match &self.name {
            Some((Some(instance), name)) => write!(f, "the {kind} `{}` of `{}`", Shown(name), Shown(instance)),
            Some((None, name)) => write!(f, "the {kind} `{}`", Shown(name)),
            None => write!(f, "{kind} {number}"),
        }
    }
}

/// Looks for references to host values and to exceptions. A guest that was given a host value is refused even where none is found: references that
/// code keeps elsewhere would be found by nobody.
///
/// # Errors
///
/// The first that is found.
pub(crate) fn check<T>(access: &Access<'_, T>) -> Result<(), Refusal> {
    if !access.is_idle() {
        return Err(Refusal::Busy);
    }
    let image = access.image();
    let refused = |item, index, referent| {
        let root = Root::new(image, item, index);
        Err(match referent {
            Referent::HostValue => Refusal::HostValue { root },
            Referent::Exception => Refusal::Exception { root },
        })
    };
    for (table, referent) in image::reference_tables(image) {
        let mut words = (0..access.table_len(table).unwrap_or(0)).map(|index| access.table_get(table, index));
        if let Some(index) = words.position(|word| !matches!(word, Ok(0))) {
            return refused(ExportItem::Table(table), Some(index as u64), referent);
        }
    }
    for (global, referent) in image::reference_globals(image) {
        if access.global_get(global).is_some_and(|value| value.get_reference() != 0) {
            return refused(ExportItem::Global(global), None, referent);
        }
    }
    match access.externrefs() {
        0 => Ok(()),
        given => Err(Refusal::HostValues { given }),
    }
}
