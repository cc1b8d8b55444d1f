//! What is to be done at build time, in order: a value made of values.

use crate::image::{self, RESEED};
use hatchery_image::abi::PackedFuncRef;
use hatchery_image::{Image, InstanceId};

/// A reactor's own initialization, which its convention wants before any other export.
const REACTOR: &str = "_initialize";
/// Names by which programs offer a function to be run at build time.
const RECOGNIZED: [&str; 2] = ["wizer-initialize", "wizer.initialize"];

/// Which export is run behind the plan, besides `_initialize`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum InitExport {
    /// `wizer-initialize` or `wizer.initialize`, if there is one.
    #[default]
    Recognized,
    /// This one.
    Named(String),
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// A step of the plan, by number.
    Step(usize),
    /// A call of an exported function.
    Export(Hook),
}

/// An exported function to call behind the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its name, for messages.
    pub name: String,
    /// The core instance that has it.
    pub instance: InstanceId,
    /// The function, of type `() -> ()`.
    pub function: PackedFuncRef,
    /// What is called when it has returned, if anything, of the same type: without it, the call is not complete.
    pub then: Option<PackedFuncRef>,
}

impl Hook {
    /// Whether the image's pages contain the effects of a call of it.
    pub fn has_run(&self, image: &Image) -> bool {
        image::was_called(image, self.instance, self.function)
    }
}

/// The exports that have to do with initialization, found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    /// What is called behind the last step, in order.
    pub initialize: Vec<Hook>,
    /// What each instance of the snapshot calls as its last step.
    pub reseed: Option<Hook>,
}

impl Hooks {
    /// What each instance of a snapshot that has done these jobs calls as its last steps, in order: [`RESEED`], which
    /// may need what `_initialize` sets up, and so in front of it `_initialize`, if no call of that was kept.
    pub(crate) fn last<'a>(&'a self, done: &'a [Job]) -> impl Iterator<Item = &'a Hook> {
        let is_done = |hook: &Hook| done.iter().any(|job| matches!(job, Job::Export(called) if called == hook));
        let reactor = self.initialize.iter().filter(move |hook| hook.name == REACTOR && !is_done(hook));
        reactor.filter(|_| self.reseed.is_some()).chain(&self.reseed)
    }
}

impl Hooks {
    /// Those of one core instance, by their names, but for what has been called before.
    ///
    /// # Errors
    ///
    /// When the export that is named cannot be called.
    pub fn of_instance(image: &Image, root: InstanceId, export: &InitExport) -> Result<Hooks, WorkError> {
        let hook = |name: &str| match image::exported_function(image, root, name) {
            Some((function, true)) => Some(Hook { name: name.to_owned(), instance: root, function, then: None }),
            _ => None,
        };
        let mut initialize: Vec<Hook> = hook(REACTOR).into_iter().collect();
        match export {
            InitExport::Recognized => initialize.extend(RECOGNIZED.into_iter().find_map(hook)),
            InitExport::Named(name) => match image::exported_function(image, root, name) {
                None => return Err(WorkError::NoSuchExport(name.clone())),
                Some((_, false)) => return Err(WorkError::WrongType(name.clone())),
                Some(_) if name == REACTOR => {}
                Some(_) => initialize.extend(hook(name)),
            },
        }
        initialize.retain(|hook| !hook.has_run(image));
        Ok(Hooks { initialize, reseed: hook(RESEED) })
    }
}

/// An export cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// There is none.
    #[error("there is no exported function `{0}` to initialize with")]
    NoSuchExport(String),
    /// It wants arguments or has results.
    #[error("the export `{0}` cannot initialize: it has parameters or results")]
    WrongType(String),
}

/// The steps that are left, at most `limit` of them, and behind the last step the exports.
pub(crate) fn work(image: &Image, exports: &[Hook], limit: Option<usize>) -> Vec<Job> {
    let exports = exports.iter().cloned().map(Job::Export);
    let steps = image::remaining(image).map(Job::Step);
    match limit {
        Some(limit) if limit < steps.len() => steps.take(limit).collect(),
        _ => steps.chain(exports).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(name: &str, number: u32) -> Hook {
        let function = PackedFuncRef::new(hatchery_image::TypeId::from_index(0), number);
        Hook { name: name.into(), instance: InstanceId(0), function, then: None }
    }

    #[test]
    fn initialize_comes_before_the_draw_unless_it_was_kept() {
        let (reactor, other, reseed) = (hook(REACTOR, 1), hook("setup", 2), hook(RESEED, 3));
        let hooks = Hooks { initialize: vec![reactor.clone(), other.clone()], reseed: Some(reseed.clone()) };
        let last = |hooks: &Hooks, done: &[Job]| hooks.last(done).cloned().collect::<Vec<_>>();
        assert_eq!(last(&hooks, &[Job::Step(0)]), [reactor.clone(), reseed.clone()]);
        let kept = [Job::Step(0), Job::Export(reactor.clone())];
        assert_eq!(last(&hooks, &kept), std::slice::from_ref(&reseed));
        let before = Hooks { initialize: vec![other], ..hooks.clone() };
        assert_eq!(last(&before, &[]), [reseed], "an earlier snapshot has called it");
        assert_eq!(last(&Hooks { reseed: None, ..hooks }, &[]), [], "nothing is called that nobody asks for");
    }
}
