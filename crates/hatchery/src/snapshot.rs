//! Initialization at build time.

use crate::artifact::artifact_error;
use crate::backtrace::{Frame, write_backtrace};
use crate::error::{Error, ErrorKind, Trap};
use crate::limits::Limits;
use crate::linker::Linker;
use crate::module::{Inner, Module};
use crate::prepared::{Prepared, allocate_error, check};
use hatchery_image::{Image, InstanceId, Shown};
use hatchery_init::{Budget, Gate, GateError, Hooks, InitExport, Job, Refusal, Request, SnapshotError, StopReason};
use std::fmt;
use std::sync::Arc;

/// Which imports may be called while a snapshot is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum InitImports {
    /// None.
    #[default]
    Deny,
    /// Those that are named, by their module's name or by `module/name`. They must give the same answers each time and
    /// affect nothing but the host data.
    Allow(Vec<String>),
    /// All that the linker has. The report says which were called; the snapshot contains what they answered.
    Record,
}

/// What a snapshot is to contain.
pub struct SnapshotOptions<T> {
    imports: InitImports,
    export: InitExport,
    steps: Option<usize>,
    limits: Limits,
    at_rest: AtRest<T>,
}

/// What looks at the host data.
type AtRest<T> = Box<dyn Fn(&T) -> Result<(), String>>;

impl<T> SnapshotOptions<T> {
    /// The whole initialization, with `_initialize` of a reactor and with `wizer-initialize` or `wizer.initialize` of a
    /// program that has it, and without imports.
    pub fn new() -> SnapshotOptions<T> {
        SnapshotOptions {
            imports: InitImports::Deny,
            export: InitExport::Recognized,
            steps: None,
            limits: Limits::new(),
            at_rest: Box::new(|_| Ok(())),
        }
    }

    /// Which imports may be called.
    #[must_use]
    pub fn imports(mut self, imports: InitImports) -> SnapshotOptions<T> {
        self.imports = imports;
        self
    }

    /// The export to call when the module is initialized otherwise, instead of one with a known name.
    #[must_use]
    pub fn export(mut self, name: impl Into<String>) -> SnapshotOptions<T> {
        self.export = InitExport::Named(name.into());
        self
    }

    /// Most steps to run. When some are left, no export is called.
    #[must_use]
    pub fn max_steps(mut self, steps: usize) -> SnapshotOptions<T> {
        self.steps = Some(steps);
        self
    }

    /// Limits of what runs. Fuel and deadline are for each step; copying what the last one left may take as long as a step.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> SnapshotOptions<T> {
        self.limits = limits;
        self
    }

    /// A look at the host data behind the last step. What it says that the host still holds (an open file, output that
    /// was not written) refuses the snapshot, as a program that starts from it would not have it.
    #[must_use]
    pub fn at_rest(mut self, check: impl Fn(&T) -> Result<(), String> + 'static) -> SnapshotOptions<T> {
        self.at_rest = Box::new(check);
        self
    }
}

impl<T> Default for SnapshotOptions<T> {
    fn default() -> SnapshotOptions<T> {
        SnapshotOptions::new()
    }
}

impl<T> fmt::Debug for SnapshotOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotOptions")
            .field("imports", &self.imports)
            .field("export", &self.export)
            .field("steps", &self.steps)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Module {
    /// Initializes the module now, once, and gives one that starts where that ended: with the memories, tables and
    /// globals that its initialization left.
    ///
    /// Each attempt runs in an instance and with host data of its own, `fresh()`. A step that traps, exceeds a limit or
    /// calls an import that is not allowed is undone and left to be run at instantiation, with all that follow;
    /// an export that does is not called, nor is one that comes behind it. That is no error: the report says so.
    ///
    /// ```
    /// use hatchery::{Config, Engine, Linker, Module, SnapshotOptions};
    ///
    /// let engine = Engine::new(&Config::new())?;
    /// let module = Module::new(&engine, r#"
    ///     (module
    ///       (global $answer (mut i32) (i32.const 0))
    ///       (func $think (global.set $answer (i32.const 42)))
    ///       (start $think)
    ///       (func (export "answer") (result i32) (global.get $answer)))
    /// "#)?;
    /// let linker = Linker::new(&engine);
    /// let (module, report) = module.snapshot(&linker, SnapshotOptions::new(), || ())?;
    /// assert_eq!(report.steps_left(), 0);
    ///
    /// let mut instance = linker.prepare(&module)?.instantiate(())?;
    /// let answer = instance.func::<(), (i32,)>("answer")?;
    /// assert_eq!(answer.call(&mut instance, ())?, (42,));
    /// # Ok::<(), hatchery::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When what ran left something that a snapshot cannot hold: a reference to a host value, or what
    /// [`SnapshotOptions::at_rest`] finds; when an allowed import or the export does not exist; when there is no slot or stack
    /// to run in, or the system lacks something else. Of the kind [`Limit`](ErrorKind::Limit), when what ran wrote pages so far
    /// apart that slots would need too many mappings, or so many that copying them takes longer than a step may.
    ///
    /// # Panics
    ///
    /// When a host function that is allowed panics.
    pub fn snapshot<T: 'static>(
        &self,
        linker: &Linker<T>,
        options: SnapshotOptions<T>,
        fresh: impl Fn() -> T,
    ) -> Result<(Module, SnapshotReport), Error> {
        let hooks = options.hooks(&self.inner.image, self.inner.root)?;
        self.snapshot_prepared(linker, options, hooks, fresh, |_| Ok(()), |_| Ok(()))
    }

    /// As [`snapshot`](Module::snapshot), with exports that are found; `ready` finishes what is made ready, and `at_rest` looks
    /// at the instance beside what looks at its host data.
    pub(crate) fn snapshot_prepared<T: 'static>(
        &self,
        linker: &Linker<T>,
        options: SnapshotOptions<T>,
        hooks: Hooks,
        fresh: impl Fn() -> T,
        ready: impl FnOnce(&Prepared<T>) -> Result<(), Error>,
        at_rest: impl Fn(&hatchery_vm::Instance<T>) -> Result<(), String>,
    ) -> Result<(Module, SnapshotReport), Error> {
        let Inner { engine, image, root, .. } = &*self.inner;
        linker.check_engine(self)?;
        let policy = options.policy();
        let gate = Gate::new(image, &policy, |module, name| linker.find(module, name));
        let (gate, functions) = gate.map_err(gate_error)?;
        let prepared = Prepared::new(engine, self, functions, options.limits)?;
        ready(&prepared)?;
        let request = options.request(hooks);
        let instance = || prepared.vm.instantiate(fresh()).map_err(allocate_error);
        let at_rest = |instance: &_| at_rest(instance).and_then(|()| (options.at_rest)(instance.data()));
        let made = hatchery_init::snapshot(image, &gate, &request, instance, at_rest);
        check(self)?;
        let made = made.map_err(error)?;
        let module = made.image.map(|image| Inner::new(engine.clone(), Arc::new(image), *root));
        let module = module.map_or_else(|| self.clone(), |inner| Module { inner: Arc::new(inner) });
        Ok((module, SnapshotReport(made.report)))
    }

    /// The export, of type `() -> ()`, by which a program draws again what must differ between instances: seeds and keys.
    /// Every instance that is made from a snapshot calls it, as the last step of its initialization, before any other
    /// export can be called. Only `_initialize` comes before it: where the snapshot was not made behind a call of that, every
    /// instance calls that, too.
    pub const RESEED: &str = hatchery_init::RESEED;

    /// Whether it exports a function of type `() -> ()` with this name, such as [`Module::RESEED`].
    pub fn has_hook(&self, export: &str) -> bool {
        hatchery_init::has_hook(&self.inner.image, self.inner.root, export)
    }

    /// Whether every instance has called this export when it is there: because the snapshot was made behind a call of it that
    /// this module is, or, of `_initialize`, because every instance calls it in front of [`Module::RESEED`].
    pub fn has_run(&self, export: &str) -> bool {
        hatchery_init::has_run(&self.inner.image, self.inner.root, export)
    }
}

impl<T> SnapshotOptions<T> {
    pub(crate) fn policy(&self) -> hatchery_init::ImportPolicy {
        match &self.imports {
            InitImports::Deny => hatchery_init::ImportPolicy::Deny,
            InitImports::Allow(names) => hatchery_init::ImportPolicy::Allow(names.clone()),
            InitImports::Record => hatchery_init::ImportPolicy::Record,
        }
    }

    /// See [`Limits::max_lifted`].
    pub(crate) fn lifted(&self) -> Option<usize> {
        self.limits.lifted
    }

    /// For other names of imports.
    pub(crate) fn within(self, names: impl FnOnce(&[String]) -> Vec<String>) -> SnapshotOptions<T> {
        let imports = match self.imports {
            InitImports::Allow(allowed) => InitImports::Allow(names(&allowed)),
            imports => imports,
        };
        SnapshotOptions { imports, ..self }
    }

    fn hooks(&self, image: &Image, root: InstanceId) -> Result<Hooks, Error> {
        Hooks::of_instance(image, root, &self.export).map_err(|e| Error::source_of(ErrorKind::Usage, e))
    }

    /// The export that is to be called; `None` for one with a known name.
    pub(crate) fn named_export(&self) -> Option<&str> {
        match &self.export {
            InitExport::Named(name) => Some(name),
            InitExport::Recognized => None,
        }
    }

    fn request(&self, hooks: Hooks) -> Request {
        let budget = Budget { fuel: self.limits.fuel, deadline: self.limits.deadline };
        Request { hooks, steps: self.steps, budget }
    }
}

/// Our error for an import that cannot be allowed.
fn gate_error(error: GateError) -> Error {
    let kind = match error {
        GateError::Unknown { .. } => ErrorKind::Link,
        GateError::Generation => ErrorKind::Usage,
    };
    Error::source_of(kind, error)
}

/// Our error for a snapshot that could not be made.
fn error(error: SnapshotError<Error>) -> Error {
    let kind = match error {
        SnapshotError::Instance(error) => return error,
        SnapshotError::Machine(error) => return Error::from_schedule(error),
        SnapshotError::Store(error) => return artifact_error(error).context("the snapshot cannot be stored"),
        SnapshotError::Unstoppable(_) => ErrorKind::Usage,
        SnapshotError::Refused(Refusal::Scattered { .. } | Refusal::Slow) => ErrorKind::Limit,
        SnapshotError::Refused(_) => ErrorKind::Host,
    };
    Error::source_of(kind, error)
}

/// What was done at build time, and what was left. It prints as sentences, the backtrace with the alternate form.
#[derive(Debug)]
pub struct SnapshotReport(hatchery_init::Report);

impl SnapshotReport {
    /// Steps that were run and need not be run again.
    pub fn steps_run(&self) -> usize {
        self.0.steps.len()
    }

    /// Steps that are left to be run at instantiation.
    pub fn steps_left(&self) -> usize {
        self.0.total - self.0.steps.end
    }

    /// Exports that were called.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.exports.iter().map(String::as_str)
    }

    /// The imports that were called: module, name, how often.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = (&str, &str, u64)> {
        self.0.imports.iter().map(|import| (&*import.module, &*import.name, import.calls))
    }

    /// Exports that were not called, because they come behind what [came to its end](SnapshotReport::stopped).
    pub fn not_called(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.not_called.iter().map(String::as_str)
    }

    /// What came to its end before it was done, if anything did.
    pub fn stopped(&self) -> Option<SnapshotStop<'_>> {
        self.0.stopped.as_ref().map(SnapshotStop)
    }
}

/// What is said where nothing was done and nothing is left, which need not be what whoever asked for it expects.
const NOTHING: &str = "there was nothing to run: no start function is left, and no export that initializes (`_initialize`, \
    `wizer-initialize`); what a program does when it is run, its `_start` for one, is never run at build time";

impl fmt::Display for SnapshotReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (run, left) = (self.steps_run(), self.steps_left());
        let steps = || format!("ran {run} {} of initialization", if run == 1 { "step" } else { "steps" });
        let calls = self.exports().map(|export| format!("called `{}`", Shown(export)));
        let done: Vec<_> = (run > 0).then(steps).into_iter().chain(calls).collect();
        match (&done[..], left, self.stopped()) {
            ([], 0, None) => f.write_str(NOTHING),
            ([], ..) => f.write_str("ran nothing"),
            _ => f.write_str(&done.join(", ")),
        }?;
        if left > 0 {
            write!(f, "; left {left} for instantiation")?;
        }
        for (number, (before, after)) in self.0.memories.iter().enumerate().filter(|(_, (a, b))| a != b) {
            write!(f, "\nmemory {number} grew from {before} to {after} bytes, which every instance needs now")?;
        }
        for (number, (before, after)) in self.0.tables.iter().enumerate().filter(|(_, (a, b))| a != b) {
            write!(f, "\ntable {number} grew from {before} to {after} elements, which every instance needs now")?;
        }
        for (module, name, calls) in self.imports() {
            let (module, name) = (Shown(module), Shown(name));
            write!(f, "\ncalled the import `{module}` `{name}` {calls} {}", if calls == 1 { "time" } else { "times" })?;
        }
        if let Some(stop) = self.stopped() {
            f.write_str("\n")?;
            stop.fmt(f)?;
        }
        self.not_called()
            .try_for_each(|export| write!(f, "\ndid not call `{}`, which comes behind that", Shown(export)))
    }
}

/// A step or an export that was given up.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotStop<'a>(&'a hatchery_init::Stopped);

impl<'a> SnapshotStop<'a> {
    /// The export, if it was one.
    pub fn export(&self) -> Option<&'a str> {
        match &self.0.job {
            Job::Export(hook) => Some(&hook.name),
            Job::Step(_) => None,
        }
    }

    /// The import that was not allowed, if that was why: module and name.
    pub fn import(&self) -> Option<(&'a str, &'a str)> {
        match &self.0.reason {
            StopReason::Denied { module, name, .. } => Some((module, name)),
            StopReason::Failed(_) => None,
        }
    }

    /// The trap, if that was why.
    pub fn trap(&self) -> Option<Trap> {
        self.0.reason.trap().and_then(Trap::from_code)
    }

    /// Where the guest was, innermost frame first.
    pub fn backtrace(&self) -> Vec<Frame> {
        self.0.reason.backtrace().iter().map(Frame::new).collect()
    }
}

impl fmt::Display for SnapshotStop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.export() {
            Some(name) => write!(f, "did not keep the call of `{}`", Shown(name))?,
            None => write!(f, "left {}", self.0.what)?,
        }
        if let Some(instance) = &self.0.instance_name {
            write!(f, " of `{}`", Shown(instance))?;
        }
        let frames = self.backtrace();
        match (&self.0.reason, frames.first()) {
            (StopReason::Denied { module, name, .. }, Some(frame)) => {
                let (module, name) = (Shown(module), Shown(name));
                write!(f, ": {} called the import `{module}` `{name}`, which is not allowed", frame.place())
            }
            (StopReason::Denied { module, name, .. }, None) => {
                let (module, name) = (Shown(module), Shown(name));
                write!(f, ": it called the import `{module}` `{name}`, which is not allowed")
            }
            (StopReason::Failed(failure), _) => write!(f, ": {failure}"),
        }?;
        if f.alternate() {
            write_backtrace(f, &frames, false)?;
        }
        Ok(())
    }
}
