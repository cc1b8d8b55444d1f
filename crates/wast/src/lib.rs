//! Runs WebAssembly specification scripts (`.wast` files) on the face of Hatchery, and counts assertions.
//!
//! This crate never knows how code is made or where it runs: it sees engines, modules, instances and
//! values. Of the workspace it uses `hatchery` only.
//!
//! ```text
//!  text ──read──► Script ──plan──► Plan ──run──► Report
//!                 commands         which link sets, which instances, what each command needs
//! ```
//!
//! Scripts link modules as they go: a module imports what an earlier one, by now instantiated, was
//! [registered](Act::Register) to export. Hatchery links before anything runs. So a script is read and
//! planned whole: a script that registers becomes one link set with all its modules, linked in script
//! order; each instance is initialized when the script reaches it. In other scripts every module is a
//! link set of its own. Planning is a pure function of the script. What a script has of components is a script of its own.

pub mod components;
mod effects;
mod live;
mod plan;
mod read;
mod report;
mod run;
mod script;
mod sorted;
mod spectest;
mod value;

pub use plan::{InstancePlan, Place, Plan, SetPlan, Step, plan};
pub use read::{ReadError, count_assertions, read};
pub use report::{Counts, Failure, Report};
pub use run::{run, run_as};
pub use script::{Act, Action, Assertion, Command, Expression, Script, Source};
pub use value::{Argument, Expected, Lanes, Nan};
