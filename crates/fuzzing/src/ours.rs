//! Our machine, in any of its modes.

use crate::host::{Answer, HOST, HostCall, HostState, answer};
use crate::program::{AMONG_GUESTS, Event, FUEL, Kind, Machine, Outcome, Program, State, Value, hash, trace};
use arbitrary::{Result as Random, Unstructured};
use hatchery::{
    Allocation, AsContext, Bounds, Caller, Config, Cpu, Determinism, Engine, Error, ErrorKind, Extern, ExternRef, Func,
    FuncRef, FuncType, InitImports, Instance, InstanceRef, Interruption, Limits, Linker, Module, ModuleSet,
    Optimization, Placement, Pooling, Prepared, Reset, SnapshotOptions, Speculation, Trap, Val, ValType, Verify,
};

/// So much that nothing runs out of it.
const FUEL_OF_AN_ENGINE: u64 = 1 << 60;

/// Instances that are made one after the other where slots are used again.
const USES_OF_A_SLOT: usize = 3;

/// How a program is compiled, made ready and run.
#[derive(Debug, Clone)]
pub(crate) struct Mode {
    config: Config,
    /// How many steps of the initialization a snapshot contains, and which imports these may call.
    snapshot: Option<(usize, InitImports)>,
    instances: usize,
}

impl Mode {
    /// Any mode in which results may not depend on the machine; where the modules make their own NaNs canonical, any mode.
    pub(crate) fn arbitrary(u: &mut Unstructured<'_>, canonical_nans: bool) -> Random<Mode> {
        let determinism = if canonical_nans && u.arbitrary()? { Determinism::Relaxed } else { Determinism::Strict };
        let (allocation, instances) = match u.int_in_range(0..=3)? {
            0 => (Allocation::OnDemand, 1),
            1 => (Allocation::Strict, 1),
            _ => (Allocation::Pooling(pooling(u)?), USES_OF_A_SLOT),
        };
        let mut config = Config::new()
            .determinism(determinism)
            .allocation(allocation)
            .bounds(*u.choose(&[Bounds::Guard, Bounds::Explicit])?)
            .optimization(*u.choose(&[Optimization::Speed, Optimization::Speed, Optimization::None])?)
            .interruption(*u.choose(&[Interruption::None, Interruption::Deadline, Interruption::Fuel])?)
            .speculation(*u.choose(&[Speculation::Guarded, Speculation::Unguarded])?)
            .cpu(u.choose(&[Cpu::Native, Cpu::Native, Cpu::Baseline])?.clone());
        if u.ratio(1, 3)? {
            config = config.memory_reservation(*u.choose(&[4 << 20, 5 << 20, 16 << 20])?);
        }
        let snapshot = if u.ratio(1, 2)? { Some((u.int_in_range(0..=8)?, imports(u)?)) } else { None };
        Ok(Mode { config, snapshot, instances })
    }

    /// The same, deterministic.
    pub(crate) fn strict(mut self) -> Mode {
        self.config = self.config.determinism(Determinism::Strict);
        self
    }

    /// Every choice the simplest.
    pub(crate) fn plain() -> Mode {
        let config = Config::new().determinism(Determinism::Strict).optimization(Optimization::None);
        Mode { config, snapshot: None, instances: 1 }
    }
}

fn pooling(u: &mut Unstructured<'_>) -> Random<Pooling> {
    let placement = [Placement::NextAvailable, Placement::Random { seed: 5 }];
    Ok(Pooling::new(2)
        .slot_bytes(20 << 30)
        .reset(*u.choose(&[Reset::WorkingSet, Reset::WorkingSet, Reset::PagemapScan, Reset::Decommit])?)
        .placement(*u.choose(&placement)?)
        .verify(Verify::EveryReset))
}

fn imports(u: &mut Unstructured<'_>) -> Random<InitImports> {
    Ok(match u.int_in_range(0..=2)? {
        0 => InitImports::Deny,
        1 => InitImports::Allow(vec!["host/mix".into(), "host/two".into(), "host/nothing".into()]),
        _ => InitImports::Record,
    })
}

/// What our machine has to say of a program in this mode, once for each instance that it made; nothing if
/// the program exceeds a limit of ours.
///
/// # Panics
///
/// When something blames ourselves, or refuses what is valid.
pub(crate) fn ours(program: &Program, mode: &Mode) -> Vec<Vec<Event>> {
    let engine = Engine::new(&mode.config).expect("a possible configuration");
    let Some((module, parts)) = compile(&engine, program) else { return Vec::new() };
    let linker = linker(&engine);
    let limits = Limits::new().fuel(FUEL_OF_AN_ENGINE);
    let module = snapshot(mode, &linker, module, limits);
    let Some(prepared) = fitting(linker.prepare_with(&module, limits)) else { return Vec::new() };
    let run = |_| {
        let mut machine = Ours { instance: fitting(allocate(&prepared))?, parts: &parts };
        Some(trace(&mut machine, program))
    };
    (0..mode.instances).map_while(run).collect()
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

/// A result unless it is the error of a limit.
fn fitting<R>(result: Result<R, Error>) -> Option<R> {
    match result {
        Ok(result) => Some(result),
        Err(error) => {
            let kind = error.kind();
            let limit = matches!(kind, ErrorKind::Exhausted | ErrorKind::Limit | ErrorKind::Compile);
            assert!(limit && !error.to_string().contains("invalid WebAssembly"), "{error:?}");
            None
        }
    }
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

fn linker(engine: &Engine) -> Linker<HostState<Func>> {
    let mut linker = Linker::new(engine);
    for (number, function) in HOST.iter().enumerate() {
        let ty = FuncType::new(function.params.iter().copied(), function.results.iter().copied());
        let closure = move |cx: Caller<'_, _>, params: &[Val], results: &mut [Val]| host(cx, number, params, results);
        linker.func_dynamic("host", function.name, ty, closure).expect("defined once");
    }
    linker
}

fn host(mut cx: Caller<'_, HostState<Func>>, number: usize, params: &[Val], results: &mut [Val]) -> Result<(), Error> {
    let args: Vec<_> = params.iter().map(|value| shown(&mut cx, value)).collect();
    let answer = answer(number, &args);
    cx.data_mut().calls.push(HostCall { function: number, args });
    match answer {
        Answer::Values(values) => {
            for (result, value) in results.iter_mut().zip(&values) {
                *result = lowered(&mut cx, value)?;
            }
        }
        Answer::Arguments => results.copy_from_slice(params),
        Answer::Error => return Err(Error::host("it fails sometimes")),
        Answer::CallBack(which) => results[0] = Val::I32(call_back(&mut cx, which)),
    }
    Ok(())
}

fn call_back(cx: &mut Caller<'_, HostState<Func>>, which: u32) -> i32 {
    let Some((func, args)) = cx.data_mut().call_back(which) else { return -9 };
    let outcome = called(&mut *cx, func, &args);
    cx.data_mut().called_back(&outcome)
}

fn called(mut cx: impl AsContext, func: Func, args: &[Value]) -> Outcome {
    let args: Result<Vec<_>, _> = args.iter().map(|value| lowered(&mut cx, value)).collect();
    let Ok(args) = args else { return Outcome::Limit };
    match func.call_dynamic(&mut cx, &args) {
        Ok(values) => Outcome::Values(values.iter().map(|value| shown(&mut cx, value)).collect()),
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Outcome {
    match (error.kind(), error.trap()) {
        (_, Some(Trap::StackOverflow | Trap::ExceptionsExhausted)) => Outcome::Limit,
        (ErrorKind::Exhausted | ErrorKind::Limit, _) => Outcome::Limit,
        // One trap in the specification.
        (_, Some(Trap::NullFunctionReference | Trap::NullExceptionReference)) => Outcome::Trapped(Trap::NullReference),
        // One trap of other machines, which do not say whether it was a call.
        (_, Some(Trap::UndefinedElement)) => Outcome::Trapped(Trap::TableOutOfBounds),
        (_, Some(trap)) => Outcome::Trapped(trap),
        (ErrorKind::Host, None) => Outcome::HostError,
        _ => panic!("{error:?}"),
    }
}

/// What a guest holds, unless it is an exception, which no host can have.
pub(crate) fn but_for_exceptions(value: Result<Val, Error>) -> Option<Val> {
    value.inspect_err(|error| assert!(error.to_string().contains("exception"), "{error:?}")).ok()
}

/// The type of a function of the guest's, as text.
pub(crate) fn type_of(mut cx: impl AsContext, reference: FuncRef) -> String {
    match Func::from_ref(&mut cx, reference) {
        Ok(func) => func.ty(&mut cx).expect("its own").to_string(),
        Err(error) if error.to_string().contains("to call a function of this type") => AMONG_GUESTS.into(),
        Err(error) => panic!("{error:?}"),
    }
}

fn lowered(mut cx: impl AsContext, value: &Value) -> Result<Val, Error> {
    Ok(match value {
        Value::I32(x) => Val::I32(*x),
        Value::I64(x) => Val::I64(*x),
        Value::F32(x) => Val::F32(*x),
        Value::F64(x) => Val::F64(*x),
        Value::V128(x) => Val::V128(*x),
        Value::Func(_) => Val::FuncRef(None),
        Value::Extern(None) => Val::ExternRef(None),
        Value::Extern(Some(x)) => Val::ExternRef(Some(ExternRef::new(&mut cx, *x)?)),
    })
}

fn shown(mut cx: impl AsContext, value: &Val) -> Value {
    match value {
        Val::I32(x) => Value::I32(*x),
        Val::I64(x) => Value::I64(*x),
        Val::F32(x) => Value::F32(*x),
        Val::F64(x) => Value::F64(*x),
        Val::V128(x) => Value::V128(*x),
        Val::FuncRef(None) => Value::Func(None),
        Val::FuncRef(Some(reference)) => Value::Func(Some(type_of(cx, *reference))),
        Val::ExternRef(None) => Value::Extern(None),
        Val::ExternRef(Some(reference)) => Value::Extern(reference.downcast::<u32>(&mut cx)),
        other => panic!("{other:?} is of no type there is"),
    }
}

struct Ours<'a> {
    instance: Instance<HostState<Func>>,
    parts: &'a [InstanceRef],
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
                    let hashed = memory.borrow(&mut *cx, |memory| Ok(hash(memory.slice(0, memory.len())?)));
                    state.memories.push((name, memory.size(cx), hashed.expect("all of it")));
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
        called(&mut self.instance, func, args)
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
