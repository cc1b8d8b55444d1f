//! Exports by name, ready to be used: found out once for each prepared image.

use crate::access::Access;
use crate::call::Callee;
use crate::prepared::PreparedCore;
use hatchery_image::abi::PackedFuncRef;
use hatchery_image::{ExportItem, GlobalId, InstanceId, MemoryId, TableId};
use std::sync::OnceLock;

/// Something that a core instance exports.
#[derive(Debug, Clone, Copy)]
pub enum Export {
    /// A function, ready to be called.
    Func(Callee),
    /// A memory.
    Memory(MemoryId),
    /// A table.
    Table(TableId),
    /// A global.
    Global(GlobalId),
}

type Named = (Box<str>, Export);

/// The exports of one core instance, sorted by name; read from the image when somebody first asks for one.
#[derive(Default)]
pub(crate) struct Exports(OnceLock<Box<[Named]>>);

impl PreparedCore {
    fn export(&self, instance: InstanceId, name: &str) -> Option<Export> {
        let exports = self.exports.get(instance.index())?.0.get_or_init(|| self.read_exports(instance));
        let at = exports.binary_search_by(|(found, _)| (**found).cmp(name)).ok()?;
        Some(exports[at].1)
    }

    #[cold]
    fn read_exports(&self, instance: InstanceId) -> Box<[Named]> {
        let Some(instance) = self.image.instances().get(instance.index()) else { return Box::default() };
        let exports = instance.exports();
        let mut all: Vec<Named> =
            exports.iter().filter_map(|export| Some((export.name.into(), self.found(export.item)?))).collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all.into()
    }

    /// `None` for a function that the host cannot call.
    fn found(&self, item: ExportItem) -> Option<Export> {
        Some(match item {
            ExportItem::Func(func) => Export::Func(self.callee(PackedFuncRef::new(func.ty, func.code_offset)).ok()?),
            ExportItem::Memory(id) => Export::Memory(id),
            ExportItem::Table(id) => Export::Table(id),
            ExportItem::Global(id) => Export::Global(id),
        })
    }
}

impl<T> Access<'_, T> {
    /// The export of a core instance with this name.
    #[inline]
    pub fn export(&self, instance: InstanceId, name: &str) -> Option<Export> {
        self.inner().prepared.export(instance, name)
    }
}
