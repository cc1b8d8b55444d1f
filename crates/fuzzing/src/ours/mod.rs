//! Our machine, in any of its modes.

mod calls;
mod host;
mod mode;
mod values;
mod words;

use crate::host::{HostCall, HostState};
use crate::limit::fitting;
use crate::paths::Calls;
use crate::program::{Event, FUEL, Kind, Machine, Outcome, Program, State, Value, checksum, trace};
use crate::slots;
use calls::{call, failed};
use hatchery::{
    Engine, Error, ErrorKind, Extern, Func, Instance, InstanceRef, Interruption, Limits, Linker, Module, ModuleSet,
    Prepared, SnapshotOptions, Val, ValType,
};
use host::linker;
use values::shown;

pub(crate) use mode::Mode;
pub(crate) use values::{but_for_exceptions, type_of};

/// So much that nothing runs out of it.
const FUEL_OF_AN_ENGINE: u64 = 1 << 60;

/// The fuel, where any is used.
fn limits(mode: &Mode) -> Limits {
    match mode.config.interrupted_by() {
        Interruption::Fuel => Limits::new().fuel(FUEL_OF_AN_ENGINE),
        _ => Limits::new(),
    }
}

/// What our machine has to say of a program in this mode, once for each instance that it made; nothing if
/// the program exceeds a limit of ours.
///
/// # Panics
///
/// When something blames ourselves, or refuses what is valid, and when a slot is lost.
pub(crate) fn ours(program: &Program, mode: &Mode) -> Vec<Vec<Event>> {
    let engine = Engine::new(&mode.config).expect("a possible configuration");
    let traces = traces(&engine, program, mode);
    slots::all_came_back(&engine);
    traces
}

fn traces(engine: &Engine, program: &Program, mode: &Mode) -> Vec<Vec<Event>> {
    let Some((module, parts)) = compile(engine, program) else { return Vec::new() };
    let linker = linker(engine, program, mode.host);
    let limits = limits(mode);
    let module = snapshot(mode, &linker, module, limits);
    let Some(prepared) = fitting(linker.prepare_with(&module, limits)) else { return Vec::new() };
    let mut traces = Vec::new();
    for number in 0..mode.instances {
        let Some(instance) = fitting(allocate(&prepared)) else {
            assert_eq!(number, 0, "the slot of an instance before is lost in {mode:?}");
            break;
        };
        traces.push(trace(&mut Ours { instance, parts: &parts, calls: mode.calls }, program));
    }
    traces
}

fn compile(engine: &Engine, program: &Program) -> Option<(Module, Vec<InstanceRef>)> {
    let (mut set, mut parts) = (ModuleSet::new(engine), Vec::new());
    for bytes in &program.modules {
        let module = set.module(bytes).expect("the binary format");
        let names: Vec<_> = (0..parts.len()).map(|number| format!("m{number}")).collect();
        let imports: Vec<_> = names.iter().map(String::as_str).zip(parts.iter().copied()).collect();
        parts.push(set.instance(module, None, &imports));
    }
    Some((fitting(set.compile())?, parts))
}

fn allocate(prepared: &Prepared<HostState<Func>>) -> Result<Instance<HostState<Func>>, Error> {
    prepared.allocate(HostState::default())
}

/// The module after some steps, or as it was where it cannot be snapshot.
fn snapshot(mode: &Mode, linker: &Linker<HostState<Func>>, module: Module, limits: Limits) -> Module {
    let Some((steps, imports)) = &mode.snapshot else { return module };
    let options = SnapshotOptions::new().imports(imports.clone()).limits(limits).max_steps(*steps);
    match module.snapshot(linker, options, HostState::default) {
        Ok((module, _)) => module,
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::Bug, "{error:?}");
            module
        }
    }
}

struct Ours<'a> {
    instance: Instance<HostState<Func>>,
    parts: &'a [InstanceRef],
    calls: Calls,
}

impl Machine for Ours<'_> {
    fn initialize(&mut self, module: usize) -> Outcome {
        match self.instance.initialize_instance(self.parts[module]) {
            Ok(()) => Outcome::Values(Vec::new()),
            Err(error) => failed(&error),
        }
    }

    fn exports(&mut self, module: usize) -> Vec<(String, Kind)> {
        let exports = self.instance.exports_of(self.parts[module]);
        let kind = |(name, item)| match item {
            Extern::Func(func) => (name, Kind::Func(func.ty(&mut self.instance).expect("its own"))),
            _ => (name, Kind::Other),
        };
        exports.into_iter().map(kind).collect()
    }

    fn state(&mut self, module: usize) -> State {
        let mut state = State::default();
        for (name, item) in self.instance.exports_of(self.parts[module]) {
            let cx = &mut self.instance;
            match item {
                Extern::Global(global) => {
                    let value = but_for_exceptions(global.get(&mut *cx));
                    state.globals.extend(value.map(|value| (name, shown(cx, &value))));
                }
                Extern::Memory(memory) => {
                    let sum = memory.borrow(&mut *cx, |memory| Ok(checksum(memory.slice(0, memory.len())?)));
                    state.memories.push((name, memory.size(cx), sum.expect("all of it")));
                }
                Extern::Table(table) => {
                    let elements = 0..table.size(&mut *cx);
                    let element = |index| but_for_exceptions(table.get(&mut *cx, index));
                    let elements: Option<Vec<_>> = elements.map(element).collect();
                    let elements = elements.map(|all| all.iter().map(|value| shown(&mut *cx, value)).collect());
                    state.tables.extend(elements.map(|elements| (name, elements)));
                }
                _ => {}
            }
        }
        state
    }

    fn refuel(&mut self, module: usize, fuel: i32) {
        if let Some(Extern::Global(global)) = self.instance.export_of(self.parts[module], FUEL) {
            global.set(&mut self.instance, Val::I32(fuel)).expect("a number that can change");
        }
    }

    fn arm(&mut self, functions: &[(usize, String)]) {
        let callback = |(module, name): &(usize, String)| {
            let func = self.function(*module, name);
            let zero = |ty: &ValType| Value::zero(*ty).expect("what anyone can call");
            (func, func.ty(&mut self.instance).expect("its own").params().iter().map(zero).collect())
        };
        let callbacks = functions.iter().map(callback).collect();
        self.instance.data_mut().functions = callbacks;
    }

    fn call(&mut self, module: usize, name: &str, args: &[Value]) -> Outcome {
        let func = self.function(module, name);
        call(&mut self.instance, func, args, self.calls)
    }

    fn host_calls(&mut self) -> (Vec<HostCall>, bool) {
        self.instance.data_mut().take()
    }
}

impl Ours<'_> {
    fn function(&mut self, module: usize, name: &str) -> Func {
        match self.instance.export_of(self.parts[module], name) {
            Some(Extern::Func(func)) => func,
            other => panic!("{name} was a function, and is {other:?}"),
        }
    }
}
