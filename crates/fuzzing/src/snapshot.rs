//! A program that starts from a snapshot, made after any number of steps, is the program that runs from the beginning.

use crate::limit::fitting;
use crate::modules;
use crate::run::{Called, State, call};
use arbitrary::{Result as Random, Unstructured};
use hatchery::{
    Config, Determinism, Engine, ErrorKind, Extern, FuncType, InitImports, Instance, InstanceRef, Interruption, Limits,
    Linker, Module, ModuleSet, SnapshotOptions, Trap, ValType,
};

/// For each instance of a set to initialize itself, and for each call.
const FUEL: u64 = 20_000;

/// What random modules can import.
const HOST: &str = r#"(module
    (import "host" "mix" (func (param i32) (result i32)))
    (import "host" "two" (func (param i64 i32) (result i32 i64)))
    (import "host" "denied" (func (result i64)))
    (import "host" "nothing" (func)))"#;

/// What can be observed of the instances of the set, after their initialization, and after all their exports were called.
#[derive(Debug, PartialEq)]
struct Observed {
    initialized: Result<(), (usize, Option<Trap>)>,
    before: Vec<State>,
    calls: Vec<(String, Called)>,
    after: Vec<State>,
}

/// Runs a random set of modules from the beginning, from a snapshot after some steps, and from a snapshot of that which goes
/// on as far as it can; compares everything that can be observed. Gives whether a snapshot contained
/// anything.
///
/// # Panics
///
/// When they differ, or an error blames ourselves.
pub fn snapshot(data: &[u8]) -> bool {
    plan(&mut Unstructured::new(data)).is_ok_and(|plan| plan.check())
}

/// A random case.
struct Plan {
    parts: Vec<Part>,
    steps: usize,
    imports: InitImports,
}

/// A random module, and which of its functions initialize it: each is called by the start function of an
/// instance of its own.
struct Part {
    module: Vec<u8>,
    starts: Vec<usize>,
}

fn plan(u: &mut Unstructured<'_>) -> Random<Plan> {
    let host = wat::parse_str(HOST).expect("text");
    let steps = u.int_in_range(0..=6)?;
    let imports = match u.int_in_range(0..=2)? {
        0 => InitImports::Deny,
        1 => InitImports::Allow(vec!["host/mix".into(), "host/two".into(), "host/nothing".into()]),
        _ => InitImports::Record,
    };
    let count = u.int_in_range(1..=3)?;
    // Each has its share of the bytes, so that none is made of what another left.
    let share = u.len() / count;
    let part = |_| {
        let mut u = Unstructured::new(u.bytes(share)?);
        let starts = (0..u.int_in_range(0..=3)?).map(|_| u.int_in_range(0..=15)).collect::<Random<_>>()?;
        Ok::<_, arbitrary::Error>(Part { starts, module: modules::importing(&mut u, &host)? })
    };
    Ok(Plan { parts: (0..count).map(part).collect::<Random<_>>()?, steps, imports })
}

impl Part {
    /// Modules with a start function that calls one of this module's.
    fn starters(&self, engine: &Engine) -> Vec<String> {
        let Some(module) = fitting(Module::new(engine, &self.module)) else { return Vec::new() };
        let mut instance = linker(engine).prepare(&module).expect("imports").allocate(()).expect("a slot");
        let functions = instance.exports().into_iter().filter_map(|(name, item)| match item {
            Extern::Func(func) => Some((name, func.ty(&mut instance).expect("its own"))),
            _ => None,
        });
        let functions: Vec<_> = functions.collect();
        let chosen = self.starts.iter().filter_map(|start| functions.get(start % functions.len().max(1)));
        chosen.filter_map(|(name, ty)| starter(name, ty)).collect()
    }
}

/// A module whose start function calls the import `name` of `m`; none for types whose values cannot be written.
fn starter(name: &str, ty: &FuncType) -> Option<String> {
    let name: String = name.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let value = |ty: &ValType| match ty {
        ValType::V128 => Some("v128.const i64x2 0 0".to_owned()),
        ValType::FuncRef => Some("ref.null func".to_owned()),
        ValType::ExternRef => Some("ref.null extern".to_owned()),
        ValType::TypedFuncRef | ValType::NonNullExternRef | ValType::ExnRef => None,
        number => Some(format!("{number}.const 0")),
    };
    let writable =
        |types: &[ValType]| types.iter().map(|ty| value(ty).map(|_| ty.to_string())).collect::<Option<Vec<_>>>();
    let (params, results) = (writable(ty.params())?.join(" "), writable(ty.results())?.join(" "));
    let values: Vec<_> = ty.params().iter().filter_map(value).collect();
    let (values, drops) = (values.join(" "), "drop ".repeat(ty.results().len()));
    Some(format!(
        r#"(module (import "m" "{name}" (func $f (param {params}) (result {results})))
            (func $start {values} call $f {drops}) (start $start))"#
    ))
}

impl Plan {
    fn check(&self) -> bool {
        let config = Config::new().determinism(Determinism::Strict).interruption(Interruption::Fuel);
        let engine = Engine::new(&config).expect("a plain configuration");
        let Some((module, instances)) = self.compile(&engine) else { return false };
        let linker = linker(&engine);
        let Some(expected) = observe(&linker, &module, &instances) else { return false };
        let (early, ran) = self.snapshot(&linker, &module, Some(self.steps));
        assert_eq!(observe(&linker, &early, &instances).as_ref(), Some(&expected), "after {} steps", self.steps);
        let (late, ran_more) = self.snapshot(&linker, &early, None);
        assert_eq!(observe(&linker, &late, &instances).as_ref(), Some(&expected), "after all that can run");
        // What no export shows, drop flags and private tables, is in the pages.
        let (whole, _) = self.snapshot(&linker, &module, None);
        assert!(late.serialize().ok() == whole.serialize().ok(), "two halves are not the whole");
        ran || ran_more
    }

    fn compile(&self, engine: &Engine) -> Option<(Module, Vec<InstanceRef>)> {
        let (mut set, mut instances) = (ModuleSet::new(engine), Vec::new());
        for part in &self.parts {
            let module = set.module(&part.module).expect("the binary format");
            let instance = set.instance(module, None, &[]);
            instances.push(instance);
            for starter in part.starters(engine) {
                let starter = set.module(starter).expect("the text format");
                instances.push(set.instance(starter, None, &[("m", instance)]));
            }
        }
        Some((fitting(set.compile())?, instances))
    }

    fn snapshot(&self, linker: &Linker<()>, module: &Module, steps: Option<usize>) -> (Module, bool) {
        let options = SnapshotOptions::new().imports(self.imports.clone()).limits(Limits::new().fuel(FUEL));
        let options = steps.into_iter().fold(options, SnapshotOptions::max_steps);
        let (module, report) = module.snapshot(linker, options, || ()).expect("no host values, nothing open");
        assert_eq!(report.exports().len(), 0, "random names are none that are known");
        (module, report.steps_run() > 0)
    }
}

/// Functions whose answers follow from their arguments.
fn linker(engine: &Engine) -> Linker<()> {
    let mut linker = Linker::new(engine);
    linker.func("host", "mix", |x: i32| x.rotate_left(7) ^ 0x5bd1_e995).expect("defined once");
    linker.func("host", "two", |x: i64, y: i32| (x as i32 ^ y, x.wrapping_mul(y.into()))).expect("defined once");
    linker.func("host", "denied", || 11i64).expect("defined once");
    linker.func("host", "nothing", || ()).expect("defined once");
    linker
}

/// `None` if initialization needs more fuel than it gets: how much is left then depends on where it began.
fn observe(linker: &Linker<()>, module: &Module, instances: &[InstanceRef]) -> Option<Observed> {
    let prepared = linker.prepare(module).expect("the linker has all imports");
    let mut instance = prepared.allocate(()).expect("a slot");
    let mut initialized = Ok(());
    for (number, part) in instances.iter().enumerate() {
        instance.set_fuel(FUEL);
        if let Err(error) = instance.initialize_instance(*part) {
            assert_ne!(error.kind(), ErrorKind::Bug, "{error:?}");
            if error.trap() == Some(Trap::OutOfFuel) {
                return None;
            }
            initialized = Err((number, error.trap()));
            break;
        }
    }
    let before = states(&mut instance, instances);
    let mut calls = Vec::new();
    for part in instances.iter().filter(|_| initialized.is_ok()) {
        for (name, item) in instance.exports_of(*part) {
            if let Extern::Func(func) = item {
                calls.extend(call(&mut instance, func).map(|called| (name, called)));
            }
        }
    }
    Some(Observed { initialized, before, calls, after: states(&mut instance, instances) })
}

fn states(instance: &mut Instance<()>, instances: &[InstanceRef]) -> Vec<State> {
    let state = |part: &InstanceRef| {
        let exports = instance.exports_of(*part);
        State::of(instance, &exports)
    };
    instances.iter().map(state).collect()
}
