//! Running ahead of time, and keeping what came of it.
//!
//! ```text
//!  jobs   = the steps that are left, and behind them the exports to call
//!  loop:    instance = fresh, with a fresh host state
//!           do jobs[..goal]
//!           one failed:  goal = its position, and again: neither guest nor host keeps anything of this attempt
//!           none failed: capture
//! ```
//!
//! The goal only falls, so the loop ends; where the guest is deterministic, as it is behind a policy that only allows
//! imports which are, the second attempt succeeds. What is kept is the longest prefix that worked.

use crate::attempt::{Budget, Setback, attempt};
use crate::capture::capture;
use crate::gate::Gate;
use crate::image::{self, Progress};
use crate::report::{ImportUse, Report, StopReason, Stopped};
use crate::roots::{self, Refusal};
use crate::scheduler::ScheduleError;
use crate::work::{Hooks, Job, work};
use hatchery_image::artifact::ArtifactError;
use hatchery_image::{Image, Interruption};
use hatchery_vm::Instance;

/// What to do at build time.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to call behind the plan.
    pub hooks: Hooks,
    /// Most steps of the plan to run; exports are not called when it cuts the plan short.
    pub steps: Option<usize>,
    /// What each step may take.
    pub budget: Budget,
}

/// An image that is further along, and how it got there.
#[derive(Debug)]
pub struct Snapshot {
    /// The image; `None` if nothing could be done, so that the old one is as good.
    pub image: Option<Image>,
    /// What was done.
    pub report: Report,
}

/// Why there is no snapshot. `E` is the error of whoever makes instances.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError<E> {
    /// A limit was given that compiled code would not notice.
    #[error("the program was not compiled to be stopped {0}, so nothing would stop it")]
    Unstoppable(&'static str),
    /// There is no instance.
    #[error("{0}")]
    Instance(E),
    /// Something failed that is not the program's doing, and says nothing about what could be kept of it.
    #[error(transparent)]
    Machine(ScheduleError),
    /// What ran left something behind that a file cannot hold.
    #[error("the snapshot is refused: {0}")]
    Refused(#[from] Refusal),
    /// The image cannot be stored.
    #[error("the snapshot cannot be stored")]
    Store(#[source] ArtifactError),
}

/// Makes a snapshot. `fresh` makes an uninitialized instance of `image` with a host state of its own, prepared with the
/// functions of `gate`; `at_rest` says what its host still holds that a later run would miss.
///
/// # Errors
///
/// When nothing could be attempted, something but the program failed, or the result cannot be kept. That a step fails is no
/// error: the report says so.
///
/// # Panics
///
/// When a host function does.
pub fn snapshot<T: 'static, E>(
    image: &Image,
    gate: &Gate,
    request: &Request,
    fresh: impl Fn() -> Result<Instance<T>, E>,
    at_rest: impl Fn(&Instance<T>) -> Result<(), String>,
) -> Result<Snapshot, SnapshotError<E>> {
    check_budget(image, &request.budget)?;
    let mut jobs = work(image, &request.hooks.initialize, request.steps);
    let mut given_up = GivenUp::default();
    while !jobs.is_empty() {
        gate.reset();
        let mut instance = fresh().map_err(SnapshotError::Instance)?;
        match attempt(&mut instance.access(), gate, &request.budget, &jobs) {
            Ok(()) => return keep(image, gate, request, &mut instance, at_rest, jobs, given_up),
            Err(Setback::Job(at, reason)) => given_up.add(image, jobs.drain(at..), reason),
            Err(Setback::Machine(error)) => return Err(SnapshotError::Machine(error)),
        }
    }
    gate.reset();
    Ok(Snapshot { image: None, report: report(image, gate, None, given_up) })
}

/// What is not done in the end.
#[derive(Default)]
struct GivenUp {
    /// The first of it in order, and why.
    stopped: Option<Stopped>,
    /// All of it, in order.
    jobs: Vec<Job>,
}

impl GivenUp {
    /// Jobs that come before those that were given up earlier. The first failed.
    fn add(&mut self, image: &Image, jobs: impl Iterator<Item = Job>, reason: StopReason) {
        self.jobs.splice(..0, jobs);
        self.stopped = self.jobs.first().map(|job| stop(image, job.clone(), reason));
    }
}

fn check_budget<E>(image: &Image, budget: &Budget) -> Result<(), SnapshotError<E>> {
    let mode = image::interruption(image);
    if budget.fuel.is_some() && mode != Interruption::Fuel {
        return Err(SnapshotError::Unstoppable("when its fuel is used up"));
    }
    if budget.deadline.is_some() && mode != Interruption::Poll {
        return Err(SnapshotError::Unstoppable("by a deadline"));
    }
    Ok(())
}

/// Makes an image of an instance that did all jobs.
fn keep<T: 'static, E>(
    image: &Image,
    gate: &Gate,
    request: &Request,
    instance: &mut Instance<T>,
    at_rest: impl Fn(&Instance<T>) -> Result<(), String>,
    jobs: Vec<Job>,
    given_up: GivenUp,
) -> Result<Snapshot, SnapshotError<E>> {
    at_rest(instance).map_err(Refusal::Host)?;
    let access = instance.access();
    roots::check(&access)?;
    let progress = capture(&access, request.budget.deadline, jobs)?;
    let report = report(image, gate, Some(&progress), given_up);
    let last: Vec<_> = request.hooks.last(&progress.done).cloned().collect();
    let image = image::advance(image, &last, progress).map_err(SnapshotError::Store)?;
    Ok(Snapshot { image: Some(image), report })
}

fn stop(image: &Image, job: Job, reason: StopReason) -> Stopped {
    let (what, instance) = match &job {
        Job::Step(step) => image::describe(image, *step),
        Job::Export(hook) => ("the export", hook.instance),
    };
    let instance_name = image::instance_name(image, instance).map(str::to_owned);
    Stopped { job, what, instance, instance_name, reason }
}

fn report(image: &Image, gate: &Gate, progress: Option<&Progress>, given_up: GivenUp) -> Report {
    let remaining = image::remaining(image);
    let done = progress.map_or(&[][..], |progress| &progress.done);
    let (memories, tables) = progress.map_or((&[][..], &[][..]), |progress| (&progress.memories, &progress.tables));
    let steps = done.iter().filter(|job| matches!(job, Job::Step(_))).count();
    let import_use = |import: &crate::gate::Import| ImportUse {
        module: import.module.clone(),
        name: import.name.clone(),
        calls: import.calls(),
    };
    Report {
        steps: remaining.start..remaining.start + steps,
        total: remaining.end,
        exports: exports(done),
        not_called: exports(given_up.jobs.get(1..).unwrap_or(&[])),
        stopped: given_up.stopped,
        imports: gate.called().map(import_use).collect(),
        memories: image::memory_minimums(image).zip(memories.iter().copied()).collect(),
        tables: image::table_minimums(image).zip(tables.iter().copied()).collect(),
    }
}

/// The names of the exports among these jobs.
fn exports(jobs: &[Job]) -> Vec<String> {
    let name = |job: &Job| match job {
        Job::Export(hook) => Some(hook.name.clone()),
        Job::Step(_) => None,
    };
    jobs.iter().filter_map(name).collect()
}
