//! Exports by name. There can be as many look-ups as there are exports, so none of them looks at all exports.

use super::decode::ExportRef;
use super::records::ExportRecord;
use super::surface::Surface;
use core::cmp::Ordering;
use core::ops::Range;

/// Positions of all export records, ordered by name and then by position.
///
/// The exports of an instance are neighbours in their table, so one order serves all instances.
#[derive(Debug)]
pub(super) struct Named(Box<[u32]>);

impl Named {
    /// The order of a surface's exports.
    pub(super) fn new(surface: &Surface) -> Named {
        let mut named: Vec<(&str, u32)> = surface.iter::<ExportRecord>().map(|export| export.name).zip(0..).collect();
        named.sort_unstable();
        Named(named.into_iter().map(|(_, at)| at).collect())
    }

    /// The first export with this name among those at some positions of the same surface.
    pub(super) fn find<'a>(&self, surface: &'a Surface, among: Range<usize>, name: &str) -> Option<ExportRef<'a>> {
        let export = |at: &u32| surface.get::<ExportRecord>(*at as usize);
        let before = |at: &u32| match export(at).map(|export| export.name.cmp(name)) {
            Some(Ordering::Equal) => (*at as usize) < among.start,
            order => order == Some(Ordering::Less),
        };
        let at = self.0.get(self.0.partition_point(before)).filter(|at| (**at as usize) < among.end)?;
        export(at).filter(|export| export.name == name)
    }
}
