//! Steps of initialization, in words.

use crate::error::Error;
use hatchery_image::{Image, StepKind};
use hatchery_init::ScheduleError;
use hatchery_vm::{StepError, StepFailure};

/// What a step does. Behind those that the modules asked for, functions are exports.
pub(crate) fn action(image: &Image, kind: &StepKind, exported: bool) -> String {
    match kind {
        StepKind::CheckMemory { memory, minimum } => {
            format!("check that memory {} has at least {minimum} bytes", memory.0)
        }
        StepKind::CheckTable { table, minimum } => {
            format!("check that table {} has at least {minimum} elements", table.0)
        }
        StepKind::CoreElem { segment, table, offset } => {
            format!("write element segment {} to table {} at {offset}", segment.0, table.0)
        }
        StepKind::CoreData { segment, memory, offset } => {
            format!("write data segment {} to memory {} at {offset:#x}", segment.0, memory.0)
        }
        StepKind::DropElem { segment } => format!("drop element segment {}", segment.0),
        StepKind::CoreStart { function, .. } => {
            let function = function.and_then(|id| image.function(id));
            let name = function.map(|function| {
                let name = function.name.map(|name| format!("`{}`", rustc_demangle::demangle(name)));
                name.unwrap_or_else(|| format!("function {}", function.index))
            });
            let which = if exported { "an export" } else { "the start function" };
            format!("call {which}, {}", name.as_deref().unwrap_or("an import"))
        }
    }
}

/// Our error for an initialization that failed. Where no code of the guest ran, there is no backtrace to say where that was:
/// the step is named.
pub(crate) fn failed(image: &Image, error: ScheduleError) -> Error {
    let step = match &error {
        ScheduleError::Step(StepError { step, cause: StepFailure::Trap(_), .. }) => image.plan().steps.get(*step),
        _ => None,
    };
    let doing = step.map(|step| format!("cannot {}", action(image, &step.kind, false)));
    let error = Error::from_schedule(error);
    match doing {
        Some(doing) => error.context(doing),
        None => error,
    }
}
