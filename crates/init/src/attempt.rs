//! One attempt to do some of the work, in one fresh instance.

use crate::gate::Gate;
use crate::image;
use crate::report::StopReason;
use crate::scheduler::{OnFailure, ScheduleError, Scheduler};
use crate::work::Job;
use hatchery_vm::{Access, Backtrace, CallError, StepFailure};
use std::time::Duration;

/// What a single step, or a call of an export, may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Fuel, for images that count it.
    pub fuel: Option<u64>,
    /// Time, for images that look at the clock.
    pub deadline: Option<Duration>,
}

impl Budget {
    fn grant<T>(&self, access: &mut Access<'_, T>) {
        access.set_fuel(self.fuel.map_or(i64::MAX, |fuel| i64::try_from(fuel).unwrap_or(i64::MAX)));
        access.interrupt_handle().set_deadline(self.deadline);
    }

    fn end<T>(access: &Access<'_, T>) {
        access.interrupt_handle().set_deadline(None);
    }
}

/// Why an attempt did not get through. The instance is good for nothing then.
#[derive(Debug)]
pub(crate) enum Setback {
    /// The job at this position failed.
    Job(usize, StopReason),
    /// Something else did, which says nothing about the jobs.
    Machine(ScheduleError),
}

/// Does the jobs in order.
///
/// # Errors
///
/// The first job that failed, or what was in its way.
pub(crate) fn attempt<T: 'static>(
    access: &mut Access<'_, T>,
    gate: &Gate,
    budget: &Budget,
    jobs: &[Job],
) -> Result<(), Setback> {
    let mut scheduler = Scheduler::new(OnFailure::Poison);
    // Where nothing is left of the plan, this enters the phase behind it.
    scheduler.start(access, image::remaining(access.image()).start).map_err(Setback::Machine)?;
    for (at, job) in jobs.iter().enumerate() {
        budget.grant(access);
        let outcome = match job {
            Job::Step(step) => scheduler.start(access, step + 1),
            Job::Export(hook) => {
                let functions = [Some(hook.function), hook.then];
                functions.into_iter().flatten().try_for_each(|function| scheduler.initialize(access, function))
            }
        };
        Budget::end(access);
        judge(gate, at, outcome)?;
    }
    Ok(())
}

/// A denied import counts even if host code hid that it failed. What is not the guest's doing stops no job: what a snapshot
/// contains must not depend on the load of the machine that makes it.
fn judge(gate: &Gate, at: usize, outcome: Result<(), ScheduleError>) -> Result<(), Setback> {
    match (gate.denied(), outcome) {
        (None, Ok(())) => Ok(()),
        (None, Err(error)) if error.is_of_guest() => Err(Setback::Job(at, StopReason::Failed(error.into()))),
        (None, Err(error)) => Err(Setback::Machine(error)),
        (Some(import), outcome) => {
            let (module, name) = (import.module.clone(), import.name.clone());
            let frames = outcome.map_or_else(|error| frames(error.into()), |()| Backtrace::default());
            Err(Setback::Job(at, StopReason::Denied { module, name, frames }))
        }
    }
}

/// Where the guest was.
fn frames(failure: StepFailure) -> Backtrace {
    match failure {
        StepFailure::Start(CallError::Host { frames, .. }) => frames,
        StepFailure::Start(CallError::Trap(trap)) => trap.backtrace,
        _ => Backtrace::default(),
    }
}
