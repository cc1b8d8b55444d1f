//! Every contact with an image's own form: what is asked of it, and how one that is further along is made.

use crate::work::{Hook, Job};
use core::ops::Range;
use hatchery_image::abi::PackedFuncRef;
use hatchery_image::artifact::ArtifactError;
use hatchery_image::{
    ExportItem, FuncType, GlobalId, Image, InitStep, InstanceId, Interruption, Learned, PagesBuilder, Plan, RefType,
    StepKind, TableId, ValType,
};
use hatchery_vm::HostSignature;

/// The function by which a program that starts from a snapshot draws again what must differ between instances.
pub const RESEED: &str = "hatchery-reseed";

/// The steps that the pages do not contain yet, but for the call of [`RESEED`], which no pages ever contain, and for what
/// is called in front of it.
pub(crate) fn remaining(image: &Image) -> Range<usize> {
    image.plan().cursor..image.plan().cursor.max(compiled(image))
}

/// The end of the steps that the modules asked for. Behind it are exports that were called for a snapshot, and behind
/// the cursor that of [`RESEED`], perhaps with `_initialize` in front of it.
fn compiled(image: &Image) -> usize {
    image.instances().iter().map(|instance| instance.steps.end).max().unwrap_or(0)
}

/// What a step is, for messages, and whose.
pub(crate) fn describe(image: &Image, step: usize) -> (&'static str, InstanceId) {
    let exported = step >= compiled(image);
    let step = &image.plan().steps[step];
    let what = match step.kind {
        StepKind::CoreStart { .. } if exported => "the export",
        StepKind::CheckMemory { .. } | StepKind::CheckTable { .. } => "the check of an import",
        StepKind::CoreElem { .. } | StepKind::DropElem { .. } => "an element segment",
        StepKind::CoreData { .. } => "a data segment",
        StepKind::CoreStart { .. } => "the start function",
    };
    (what, step.instance)
}

/// How compiled code can be stopped.
pub(crate) fn interruption(image: &Image) -> Interruption {
    image.tunables().interruption
}

/// Module name, name and signature of each import.
pub(crate) fn imports(image: &Image) -> impl Iterator<Item = (&str, &str, HostSignature)> {
    let types = image.types();
    image.imports().iter().map(|import| (import.module, import.name, HostSignature::of(types.get(import.ty))))
}

/// What an instance is called, where it has a name.
pub(crate) fn instance_name(image: &Image, instance: InstanceId) -> Option<&str> {
    image.instances().get(instance.index())?.name
}

/// The exported function of this name, and whether its type is `() -> ()`.
pub(crate) fn exported_function(image: &Image, instance: InstanceId, name: &str) -> Option<(PackedFuncRef, bool)> {
    match image.export(instance, name)? {
        ExportItem::Func(func) => {
            let plain = *image.types().get(func.ty) == FuncType::new([], []);
            Some((PackedFuncRef::new(func.ty, func.code_offset), plain))
        }
        _ => None,
    }
}

/// Whether an instance exports a function of type `() -> ()` with this name.
pub fn has_hook(image: &Image, instance: InstanceId, name: &str) -> bool {
    matches!(exported_function(image, instance, name), Some((_, true)))
}

/// Whether every instance has called this export when it is ready: because a snapshot was made behind a call of it, or
/// because the plan calls it in front of [`RESEED`].
pub fn has_run(image: &Image, instance: InstanceId, name: &str) -> bool {
    let function = exported_function(image, instance, name);
    function.is_some_and(|(function, _)| has_call(exports_before_reseed(image), instance, function))
}

/// Whether the image's pages contain the effects of this function of an instance, because a snapshot was made behind a
/// call of it.
pub(crate) fn was_called(image: &Image, instance: InstanceId, function: PackedFuncRef) -> bool {
    has_call(exports_run(image), instance, function)
}

fn has_call(steps: &[InitStep], instance: InstanceId, function: PackedFuncRef) -> bool {
    let calls = |step: &InitStep| matches!(step.kind, StepKind::CoreStart { code_offset, .. } if code_offset == function.code_offset());
    steps.iter().any(|step| step.instance == instance && calls(step))
}

/// Steps behind those of every core instance that are done: exports that were called for a snapshot.
fn exports_run(image: &Image) -> &[InitStep] {
    image.plan().steps.get(compiled(image)..image.plan().cursor).unwrap_or(&[])
}

/// Steps behind those of every core instance, done or not, but for the call of [`RESEED`]: where any is not done, that is
/// the last.
fn exports_before_reseed(image: &Image) -> &[InitStep] {
    let (steps, compiled) = (&image.plan().steps, compiled(image));
    let reseed = usize::from(steps.len() > compiled.max(image.plan().cursor));
    steps.get(compiled..steps.len() - reseed).unwrap_or(&[])
}

/// The steps that stand for a call.
fn calls_of(image: &Image, hook: &Hook) -> impl Iterator<Item = InitStep> {
    let step = |function: PackedFuncRef| {
        let code_offset = function.code_offset();
        let function = image.functions().find_id(code_offset);
        InitStep { instance: hook.instance, kind: StepKind::CoreStart { code_offset, function } }
    };
    [Some(hook.function), hook.then].into_iter().flatten().map(step)
}

/// What a reference that no file can hold refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Referent {
    HostValue,
    Exception,
}

impl Referent {
    fn of(ty: RefType) -> Option<Referent> {
        match (ty.is_extern(), ty.is_exn()) {
            (true, _) => Some(Referent::HostValue),
            (_, true) => Some(Referent::Exception),
            _ => None,
        }
    }
}

/// Tables that can hold such references, and to what.
pub(crate) fn reference_tables(image: &Image) -> impl Iterator<Item = (TableId, Referent)> {
    let tables = image.tables().iter().enumerate();
    tables.filter_map(|(number, table)| Some((TableId(number as u32), Referent::of(table.element)?)))
}

/// Globals that can hold such references, and to what.
pub(crate) fn reference_globals(image: &Image) -> impl Iterator<Item = (GlobalId, Referent)> {
    let referent = |ty| match ty {
        ValType::Ref(ty) => Referent::of(ty),
        _ => None,
    };
    let globals = image.globals().iter().enumerate();
    globals.filter_map(move |(number, global)| Some((GlobalId(number as u32), referent(global.ty)?)))
}

/// The name of some instance's export of this item, with the instance's.
pub(crate) fn export_name(image: &Image, item: ExportItem) -> Option<(Option<&str>, &str)> {
    image.instances().iter().find_map(|instance| {
        let export = instance.exports().iter().find(|export| export.item == item)?;
        Some((instance.name, export.name))
    })
}

/// Lengths in bytes that the memories have from the start.
pub(crate) fn memory_minimums(image: &Image) -> impl Iterator<Item = u64> {
    image.memories().iter().map(|memory| memory.minimum)
}

/// Numbers of elements that the tables have from the start.
pub(crate) fn table_minimums(image: &Image) -> impl Iterator<Item = u64> {
    image.tables().iter().map(|table| table.minimum)
}

/// What an instance has come to: all that makes its image another one.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Everything in the block.
    pub(crate) pages: PagesBuilder,
    /// Bytes of each memory.
    pub(crate) memories: Vec<u64>,
    /// Elements of each table.
    pub(crate) tables: Vec<u64>,
    /// What was done, in order.
    pub(crate) done: Vec<Job>,
}

/// The image with this progress: the same code, other pages, a plan whose cursor is behind what was done, and whose last
/// steps are calls of `last`.
pub(crate) fn advance(image: &Image, last: &[Hook], progress: Progress) -> Result<Image, ArtifactError> {
    let Progress { pages, memories, tables, done } = progress;
    let mut parts = image.to_parts()?;
    parts.plan = advance_plan(image.plan(), remaining(image).end, &done, |hook| calls_of(image, hook).collect());
    parts.plan.steps.extend(last.iter().flat_map(|hook| calls_of(image, hook)));
    parts.pages = pages;
    // What was learned of instances that did all this themselves is what it wrote, and no instance writes that any more.
    parts.learned = Learned::default();
    for ((memory, place), length) in parts.memories.iter_mut().zip(&mut parts.layout.memories).zip(memories) {
        (memory.minimum, place.minimum) = (length, length);
    }
    for ((table, place), length) in parts.tables.iter_mut().zip(&mut parts.layout.tables).zip(tables) {
        (table.minimum, place.minimum) = (length, length);
    }
    Image::from_parts(&parts)
}

/// The first `end` steps of the plan, behind these jobs. Exports that were called become steps of it, by `calls`, so that
/// it tells that they ran.
fn advance_plan(plan: &Plan, end: usize, done: &[Job], calls: impl Fn(&Hook) -> Vec<InitStep>) -> Plan {
    let exports = done.iter().filter_map(|job| match job {
        Job::Export(hook) => Some(hook),
        Job::Step(_) => None,
    });
    let called: Vec<_> = exports.clone().flat_map(calls).collect();
    let cursor = plan.cursor + done.len() - exports.count() + called.len();
    Plan { steps: plan.steps[..end].iter().cloned().chain(called).collect(), cursor }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_behind_what_was_done_and_exports_become_steps() {
        let step =
            |n| InitStep { instance: InstanceId(n), kind: StepKind::CoreStart { code_offset: n, function: None } };
        let call = |hook: &Hook| {
            let functions = [Some(hook.function), hook.then].into_iter().flatten();
            functions.map(|function| step(function.code_offset())).collect()
        };
        let plan = Plan { steps: vec![step(0), step(1), step(2)], cursor: 1 };
        let one = advance_plan(&plan, 3, &[Job::Step(1)], call);
        assert_eq!((one.cursor, &one.steps), (2, &plan.steps));
        let ty = hatchery_image::TypeId::from_index(0);
        let (function, instance) = (PackedFuncRef::new(ty, 9), InstanceId(0));
        let hook = |then| Job::Export(Hook { name: "init".into(), instance, function, then });
        let all = advance_plan(&plan, 3, &[Job::Step(1), Job::Step(2), hook(None)], call);
        assert_eq!((all.cursor, all.steps.len()), (4, 4));
        assert_eq!(all.steps[3], step(9));
        // What completes a call is as done as the call.
        let then = Some(PackedFuncRef::new(ty, 10));
        let completed = advance_plan(&plan, 3, &[Job::Step(1), Job::Step(2), hook(then)], call);
        assert_eq!((completed.cursor, completed.steps.len(), &completed.steps[4]), (5, 5, &step(10)));
        assert!(all.remaining().is_empty());
        // What is behind the end is left out: the call of a hook comes anew.
        let again = advance_plan(&Plan { cursor: 3, ..plan.clone() }, 2, &[], call);
        assert_eq!(again.steps.len(), 2);
    }
}
