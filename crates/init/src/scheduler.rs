//! Moves one instance through its phases.

use crate::image;
use crate::phase::{IllegalTransition, Phase};
use hatchery_image::abi::{PackedFuncRef, RawVal};
use hatchery_vm::{Access, CallError, StepError, StepFailure};

/// What a failed step means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The instance is unusable.
    Poison,
    /// Its effects stay, and the other instances of the set go on: specification scripts want that.
    GoOn,
}

/// Why an instance did not come further.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// A step of the plan failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// A function of the second phase did not return.
    #[error(transparent)]
    Call(CallError),
    /// That is not what follows now.
    #[error(transparent)]
    Order(#[from] IllegalTransition),
}

impl ScheduleError {
    /// Whether it follows from the program and what its host functions did, and not from the process or its load.
    pub fn is_of_guest(&self) -> bool {
        match self {
            ScheduleError::Step(error) => error.cause.is_of_guest(),
            ScheduleError::Call(error) => error.is_of_guest(),
            ScheduleError::Order(_) => false,
        }
    }
}

/// Where one instance is between its allocation and its being ready. The same code runs the plan of a fresh instance, what
/// a snapshot has left of it, and, at build time, what a snapshot is made of.
#[derive(Debug)]
pub struct Scheduler {
    phase: Phase,
    on_failure: OnFailure,
}

impl Scheduler {
    /// For an instance that was just allocated.
    pub fn new(on_failure: OnFailure) -> Scheduler {
        Scheduler { phase: Phase::Allocated, on_failure }
    }

    /// The phase of the instance that `access` is to.
    pub fn phase<T>(&self, access: &Access<'_, T>) -> Phase {
        // Calls do not pass here. Who can look at an instance from outside sees one that is suspended or none.
        if self.phase == Phase::Ready && !access.is_idle() { Phase::Suspended } else { self.phase }
    }

    /// Runs the whole plan, as far as it is not done, and declares the instance ready.
    ///
    /// # Errors
    ///
    /// When a step fails. The instance is never ready then, unless failures are to be gone past.
    pub fn run<T>(&mut self, access: &mut Access<'_, T>) -> Result<(), ScheduleError> {
        self.start(access, usize::MAX)?;
        Ok(self.ready()?)
    }

    /// Runs the steps of the plan before `until` that are not done.
    ///
    /// # Errors
    ///
    /// When a step fails, or one did.
    pub fn start<T>(&mut self, access: &mut Access<'_, T>, until: usize) -> Result<(), ScheduleError> {
        match self.phase {
            Phase::Starting => {}
            Phase::Allocated => self.enter(Phase::Starting)?,
            // Nothing is left to do: scripts ask instance by instance.
            Phase::Started | Phase::Ready if self.on_failure == OnFailure::GoOn => return Ok(()),
            from => return Err(IllegalTransition { from, to: Phase::Starting }.into()),
        }
        let outcome = access.run_steps(until);
        if outcome.is_err() && self.on_failure == OnFailure::Poison {
            self.enter(Phase::Poisoned)?;
        } else if is_done(access) {
            self.enter(Phase::Started)?;
        }
        Ok(outcome?)
    }

    /// Calls a function of the second phase, of type `() -> ()`.
    ///
    /// # Errors
    ///
    /// When the plan is not done, or the function does not return.
    pub fn initialize<T: 'static>(
        &mut self,
        access: &mut Access<'_, T>,
        function: PackedFuncRef,
    ) -> Result<(), ScheduleError> {
        if self.phase != Phase::Initializing {
            self.enter(Phase::Initializing)?;
        }
        let callee = access.callee(function);
        let callee = callee.map_err(|_| ScheduleError::Call(CallError::WrongInstance));
        let outcome = callee.and_then(|callee| {
            let mut values = vec![RawVal::ZERO; callee.slots()];
            access.call(&callee, &mut values).map_err(ScheduleError::Call)
        });
        if outcome.is_err() {
            self.enter(Phase::Poisoned)?;
        }
        outcome
    }

    /// Declares the instance ready.
    ///
    /// # Errors
    ///
    /// When steps are left, or one failed.
    pub fn ready(&mut self) -> Result<(), IllegalTransition> {
        if self.phase == Phase::Ready && self.on_failure == OnFailure::GoOn { Ok(()) } else { self.enter(Phase::Ready) }
    }

    fn enter(&mut self, phase: Phase) -> Result<(), IllegalTransition> {
        self.phase = self.phase.then(phase)?;
        Ok(())
    }
}

/// Whether no step is left. Where the plan has none at all, nobody needs to ask every module how many were its own.
fn is_done<T>(access: &Access<'_, T>) -> bool {
    let (cursor, image) = (access.cursor(), access.image());
    cursor >= image.plan().steps.len() || cursor >= image::remaining(image).end
}

impl From<ScheduleError> for StepFailure {
    fn from(error: ScheduleError) -> StepFailure {
        match error {
            ScheduleError::Step(error) => error.cause,
            ScheduleError::Call(error) => StepFailure::Start(error),
            // A plan that is run in order does not meet it.
            ScheduleError::Order(_) => StepFailure::Start(CallError::Busy),
        }
    }
}
