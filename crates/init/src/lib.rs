//! Brings instances to their ready state: in phases, in the plan's order, at build time, at the first instantiation
//! and after a restore alike; and keeps what was done at build time as an image that is further along its plan.
//!
//! This crate never knows how pages are mapped or files written: it reads an idle instance's bytes and hands over an
//! image. It uses `hatchery-vm` and `hatchery-image`.
//!
//! A [`Scheduler`] moves one instance through the [`Phase`]s. A [`snapshot`] is a scheduler's work done ahead of time: in a
//! fresh instance with a fresh host state, behind a [`Gate`] that lets through only the imports that an
//! [`ImportPolicy`] names, and given up, with nothing left of it, when it meets another.

mod attempt;
mod capture;
mod gate;
mod image;
mod phase;
mod policy;
mod report;
mod roots;
mod scheduler;
mod snapshot;
mod work;

pub use attempt::Budget;
pub use gate::{GENERATION, Gate, GateError};
pub use image::{RESEED, has_hook, has_run};
pub use phase::{IllegalTransition, Phase};
pub use policy::ImportPolicy;
pub use report::{ImportUse, Report, StopReason, Stopped};
pub use roots::Refusal;
pub use scheduler::{OnFailure, ScheduleError, Scheduler};
pub use snapshot::{Request, Snapshot, SnapshotError, snapshot};
pub use work::{Hook, Hooks, InitExport, Job, WorkError};
