//! Wasmtime as an oracle: the same programs, on another engine.

mod component;

pub use component::WasmtimeComponents;

use hatchery_fuzzing::Oracle;
use hatchery_fuzzing::host::{Answer, HOST, HostCall, HostState, answer};
use hatchery_fuzzing::program::{
    AMONG_GUESTS, Event, FUEL, Kind, Machine, Outcome, Program, State, Value, checksum, trace,
};
use hatchery_fuzzing::vocabulary::{FuncType, Trap, ValType};
use std::sync::LazyLock;
use wasmtime::{
    AsContext, AsContextMut, Caller, Config, Engine, Extern, ExternRef, ExternType, Func, HeapType, Instance, Linker,
    Module, OptLevel, RefType, Store, ThrownException, Val,
};

type Host = HostState<Func>;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config
        .wasm_tail_call(true)
        .wasm_multi_memory(true)
        .wasm_memory64(true)
        .wasm_function_references(true)
        .wasm_gc(true)
        .wasm_exceptions(true)
        .wasm_extended_const(true)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true)
        .cranelift_opt_level(OptLevel::None)
        .memory_reservation(8 << 20)
        .wasm_backtrace_max_frames(None);
    Engine::new(&config).expect("a possible configuration")
});

static LINKER: LazyLock<Linker<Host>> = LazyLock::new(|| {
    let mut linker = Linker::new(&ENGINE);
    for (number, function) in HOST.iter().enumerate() {
        let ty = wasmtime::FuncType::new(&ENGINE, types(function.params), types(function.results));
        let closure = move |cx: Caller<'_, Host>, args: &[Val], results: &mut [Val]| host(cx, number, args, results);
        linker.func_new("host", function.name, ty, closure).expect("defined once");
    }
    linker
});

fn types(types: &[ValType]) -> impl Iterator<Item = wasmtime::ValType> {
    types.iter().map(|ty| match ty {
        ValType::I32 => wasmtime::ValType::I32,
        ValType::I64 => wasmtime::ValType::I64,
        ValType::F32 => wasmtime::ValType::F32,
        ValType::F64 => wasmtime::ValType::F64,
        ValType::V128 => wasmtime::ValType::V128,
        ValType::FuncRef => wasmtime::ValType::FUNCREF,
        ValType::ExternRef => wasmtime::ValType::EXTERNREF,
        other => panic!("no host function has a {other}"),
    })
}

/// Wasmtime, with canonical NaNs and deterministic relaxed SIMD.
#[derive(Debug)]
pub struct Wasmtime;

impl Oracle for Wasmtime {
    fn trace(&self, program: &Program) -> Option<Vec<Event>> {
        let modules = program.modules.iter().map(|bytes| Module::new(&ENGINE, bytes));
        let modules = modules.collect::<Result<Vec<_>, _>>().unwrap_or_else(|error| panic!("it refuses: {error:?}"));
        let mut theirs =
            Theirs { store: Store::new(&ENGINE, Host::default()), linker: LINKER.clone(), modules, instances: vec![] };
        Some(trace(&mut theirs, program))
    }
}

struct Theirs {
    store: Store<Host>,
    linker: Linker<Host>,
    modules: Vec<Module>,
    instances: Vec<Instance>,
}

impl Machine for Theirs {
    fn initialize(&mut self, module: usize) -> Outcome {
        match self.linker.instantiate(&mut self.store, &self.modules[module]) {
            Ok(instance) => {
                self.instances.push(instance);
                let name = format!("m{module}");
                self.linker.instance(&mut self.store, &name, instance).expect("a name of its own");
                Outcome::Values(Vec::new())
            }
            Err(error) => failed(&error),
        }
    }

    fn exports(&mut self, module: usize) -> Vec<(String, Kind)> {
        let kind = |ty| match ty {
            ExternType::Func(ty) => Kind::Func(func_type(&ty)),
            _ => Kind::Other,
        };
        self.modules[module].exports().map(|export| (export.name().to_owned(), kind(export.ty()))).collect()
    }

    fn state(&mut self, module: usize) -> State {
        let mut state = State::default();
        let exports: Vec<_> = self.modules[module].exports().map(|export| export.name().to_owned()).collect();
        for name in exports {
            let cx = &mut self.store;
            match self.instances[module].get_export(&mut *cx, &name) {
                Some(Extern::Global(global)) => {
                    let value = global.get(&mut *cx);
                    if !is_exception(&value) {
                        state.globals.push((name, shown(cx, &value)));
                    }
                }
                Some(Extern::Memory(memory)) => {
                    let bytes = memory.data(&*cx);
                    state.memories.push((name, bytes.len() as u64, checksum(bytes)));
                }
                Some(Extern::Table(table)) => {
                    let length = table.size(&*cx);
                    let element = |index| table.get(&mut *cx, index).expect("an element").into();
                    let elements: Vec<Val> = (0..length).map(element).collect();
                    if !elements.iter().any(is_exception) {
                        state.tables.push((name, elements.iter().map(|value| shown(&self.store, value)).collect()));
                    }
                }
                _ => {}
            }
        }
        state
    }

    fn refuel(&mut self, module: usize, fuel: i32) {
        if let Some(global) = self.instances[module].get_global(&mut self.store, FUEL) {
            global.set(&mut self.store, Val::I32(fuel)).expect("a number that can change");
        }
    }

    fn arm(&mut self, functions: &[(usize, String)]) {
        let callback = |(module, name): &(usize, String)| {
            let func = self.function(*module, name);
            let zero = |ty: &ValType| Value::zero(*ty).expect("what anyone can call");
            (func, func_type(&func.ty(&self.store)).params().iter().map(zero).collect())
        };
        let callbacks = functions.iter().map(callback).collect();
        self.store.data_mut().functions = callbacks;
    }

    fn call(&mut self, module: usize, name: &str, args: &[Value]) -> Outcome {
        let func = self.function(module, name);
        called(&mut self.store, func, args)
    }

    fn host_calls(&mut self) -> (Vec<HostCall>, bool) {
        self.store.data_mut().take()
    }
}

impl Theirs {
    fn function(&mut self, module: usize, name: &str) -> Func {
        self.instances[module].get_func(&mut self.store, name).expect("it was a function before")
    }
}

fn host(mut cx: Caller<'_, Host>, number: usize, args: &[Val], results: &mut [Val]) -> wasmtime::Result<()> {
    let values: Vec<_> = args.iter().map(|value| shown(&mut cx, value)).collect();
    let answer = answer(number, &values);
    cx.data_mut().calls.push(HostCall { function: number, args: values });
    match answer {
        Answer::Values(values) => {
            for (result, value) in results.iter_mut().zip(&values) {
                *result = lowered(&mut cx, value)?;
            }
        }
        Answer::Arguments => results.copy_from_slice(args),
        Answer::Error => return Err(wasmtime::Error::msg("it fails sometimes")),
        Answer::CallBack(which) => results[0] = Val::I32(call_back(&mut cx, which)),
    }
    Ok(())
}

fn call_back(cx: &mut Caller<'_, Host>, which: u32) -> i32 {
    let Some((func, args)) = cx.data_mut().call_back(which) else { return -9 };
    let outcome = called(&mut *cx, func, &args);
    cx.data_mut().called_back(&outcome)
}

fn called(mut cx: impl AsContextMut, func: Func, args: &[Value]) -> Outcome {
    let args: Result<Vec<_>, _> = args.iter().map(|value| lowered(&mut cx, value)).collect();
    let Ok(args) = args else { return Outcome::Limit };
    let mut results = vec![Val::I32(0); func.ty(&cx).results().len()];
    match func.call(&mut cx, &args, &mut results) {
        Ok(()) => Outcome::Values(results.iter().map(|value| shown(&mut cx, value)).collect()),
        Err(error) => {
            // The next call must not find it.
            let _ = cx.as_context_mut().take_pending_exception();
            failed(&error)
        }
    }
}

/// A reference to an exception, or the null of its type: nothing that a host of ours can have.
fn is_exception(value: &Val) -> bool {
    matches!(value, Val::ExnRef(_))
}

fn failed(error: &wasmtime::Error) -> Outcome {
    use wasmtime::Trap as Theirs;
    if error.is::<ThrownException>() {
        return Outcome::Trapped(Trap::UncaughtException);
    }
    let Some(trap) = error.downcast_ref::<Theirs>() else {
        // A host function's, or a limit at instantiation.
        return if error.to_string().contains("it fails sometimes") { Outcome::HostError } else { Outcome::Limit };
    };
    Outcome::Trapped(match trap {
        Theirs::StackOverflow => return Outcome::Limit,
        Theirs::MemoryOutOfBounds => Trap::MemoryOutOfBounds,
        Theirs::TableOutOfBounds => Trap::TableOutOfBounds,
        Theirs::IndirectCallToNull => Trap::UninitializedElement,
        Theirs::BadSignature => Trap::IndirectCallTypeMismatch,
        Theirs::IntegerOverflow => Trap::IntegerOverflow,
        Theirs::IntegerDivisionByZero => Trap::IntegerDivideByZero,
        Theirs::BadConversionToInteger => Trap::InvalidConversionToInteger,
        Theirs::UnreachableCodeReached => Trap::Unreachable,
        Theirs::NullReference => Trap::NullReference,
        other => panic!("{other:?} should be impossible"),
    })
}

fn lowered(mut cx: impl AsContextMut, value: &Value) -> wasmtime::Result<Val> {
    Ok(match value {
        Value::I32(x) => Val::I32(*x),
        Value::I64(x) => Val::I64(*x),
        Value::F32(x) => Val::F32(*x),
        Value::F64(x) => Val::F64(*x),
        Value::V128(x) => Val::V128((*x).into()),
        Value::Func(_) => Val::FuncRef(None),
        Value::Extern(None) => Val::ExternRef(None),
        Value::Extern(Some(x)) => Val::ExternRef(Some(ExternRef::new(&mut cx, *x)?)),
    })
}

fn shown(cx: impl AsContext, value: &Val) -> Value {
    match value {
        Val::I32(x) => Value::I32(*x),
        Val::I64(x) => Value::I64(*x),
        Val::F32(x) => Value::F32(*x),
        Val::F64(x) => Value::F64(*x),
        Val::V128(x) => Value::V128(x.as_u128()),
        Val::FuncRef(func) => Value::Func(func.map(|func| {
            let ty = func_type(&func.ty(&cx));
            let exceptional = ty.params().iter().chain(ty.results()).any(|ty| *ty == ValType::ExnRef);
            if exceptional { AMONG_GUESTS.into() } else { ty.to_string() }
        })),
        Val::ExternRef(None) => Value::Extern(None),
        Val::ExternRef(Some(reference)) => {
            let data = reference.data(&cx).expect("rooted");
            Value::Extern(data.and_then(|data| data.downcast_ref::<u32>()).copied())
        }
        other => panic!("{other:?} is of no type there is"),
    }
}

/// The type in the words that the programs' machines have in common.
fn func_type(ty: &wasmtime::FuncType) -> FuncType {
    FuncType::new(ty.params().map(|ty| val_type(&ty)), ty.results().map(|ty| val_type(&ty)))
}

fn val_type(ty: &wasmtime::ValType) -> ValType {
    match ty {
        wasmtime::ValType::I32 => ValType::I32,
        wasmtime::ValType::I64 => ValType::I64,
        wasmtime::ValType::F32 => ValType::F32,
        wasmtime::ValType::F64 => ValType::F64,
        wasmtime::ValType::V128 => ValType::V128,
        wasmtime::ValType::Ref(ty) => reference(ty),
    }
}

fn reference(ty: &RefType) -> ValType {
    match (ty.heap_type(), ty.is_nullable()) {
        (HeapType::Func, true) => ValType::FuncRef,
        (HeapType::Extern, true) => ValType::ExternRef,
        (HeapType::Extern | HeapType::NoExtern, false) => ValType::NonNullExternRef,
        (HeapType::NoExtern, true) => ValType::ExternRef,
        (HeapType::Exn | HeapType::NoExn, _) => ValType::ExnRef,
        _ => ValType::TypedFuncRef,
    }
}
