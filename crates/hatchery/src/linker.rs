//! Host functions by name, and the one place where types of host and guest meet.

use crate::caller::Caller;
use crate::convert;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::module::Module;
use crate::prepared::Prepared;
use crate::raw;
use crate::typed::WasmValues;
use crate::val::{FuncType, Val};
use hatchery_image::Shown;
use hatchery_image::abi::RawVal;
use hatchery_vm::{HostContext, HostError, HostFunction, HostResult, HostScalar};
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// A future of a host function.
pub type HostFuture<'a, R> = Pin<Box<dyn Future<Output = Result<R, Error>> + Send + 'a>>;

/// A closure that guests can call: up to twelve parameters of WebAssembly types, with or without a
/// [`Caller`] in front, that returns nothing, a value, a tuple of values, or a `Result` of these.
pub trait IntoFunc<T, Marker>: sealed::IntoHost<T, Marker> {}

impl<T, Marker, F: sealed::IntoHost<T, Marker>> IntoFunc<T, Marker> for F {}

/// Named by the bounds of public traits, and by nobody else.
pub(crate) mod sealed {
    use hatchery_vm::HostFunction;

    pub trait IntoHost<T, Marker>: Send + Sync + 'static {
        fn into_host(self) -> HostFunction<T>;
    }

    /// Stands for the caller among the types of a closure's parameters.
    #[derive(Debug)]
    pub struct WithCaller;
}

macro_rules! closures {
    ($(($($a:ident),*);)*) => {
        $(
            impl<T, F, R, $($a),*> sealed::IntoHost<T, (R, $($a,)*)> for F
            where
                T: 'static,
                F: Fn($($a),*) -> R + Send + Sync + 'static,
                R: HostResult,
                $($a: HostScalar,)*
            {
                #[allow(non_snake_case, reason = "type parameters name the arguments")]
                fn into_host(self) -> HostFunction<T> {
                    HostFunction::typed(move |_: HostContext<'_, T>, $($a: $a),*| self($($a),*))
                }
            }

            impl<T, F, R, $($a),*> sealed::IntoHost<T, (sealed::WithCaller, R, $($a,)*)> for F
            where
                T: 'static,
                F: Fn(Caller<'_, T>, $($a),*) -> R + Send + Sync + 'static,
                R: HostResult,
                $($a: HostScalar,)*
            {
                #[allow(non_snake_case, reason = "type parameters name the arguments")]
                fn into_host(self) -> HostFunction<T> {
                    HostFunction::typed(move |vm: HostContext<'_, T>, $($a: $a),*| self(Caller::new(vm), $($a),*))
                }
            }
        )*
    };
}

closures! {
    ();
    (A1);
    (A1, A2);
    (A1, A2, A3);
    (A1, A2, A3, A4);
    (A1, A2, A3, A4, A5);
    (A1, A2, A3, A4, A5, A6);
    (A1, A2, A3, A4, A5, A6, A7);
    (A1, A2, A3, A4, A5, A6, A7, A8);
    (A1, A2, A3, A4, A5, A6, A7, A8, A9);
    (A1, A2, A3, A4, A5, A6, A7, A8, A9, A10);
    (A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11);
    (A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12);
}

/// Most imports that nothing is defined for which a message names.
const MOST_NAMED: usize = 16;

/// Host functions by module name and name, for guests with host data `T`.
///
/// A host provides functions and nothing else. Where a module imports a memory, a table, a global or a tag, another module
/// has to export it: link both as a [`ModuleSet`](crate::ModuleSet).
///
/// ```
/// use hatchery::{Config, Engine, Linker, ModuleSet};
///
/// let engine = Engine::new(&Config::new())?;
/// let mut set = ModuleSet::new(&engine);
/// let environment = set.module(r#"(module (memory (export "memory") 1))"#)?;
/// let program = set.module(r#"(module (import "env" "memory" (memory 1)) (export "memory" (memory 0)))"#)?;
/// let environment = set.instance(environment, None, &[]);
/// set.instance(program, None, &[("env", environment)]);
/// let mut instance = Linker::new(&engine).prepare(&set.compile()?)?.instantiate(())?;
/// assert!(instance.export("memory").is_some());
/// # Ok::<(), hatchery::Error>(())
/// ```
pub struct Linker<T> {
    engine: Engine,
    functions: HashMap<Box<str>, HashMap<Box<str>, HostFunction<T>>>,
}

impl<T> Clone for Linker<T> {
    fn clone(&self) -> Linker<T> {
        Linker { engine: self.engine.clone(), functions: self.functions.clone() }
    }
}

impl<T: 'static> Linker<T> {
    /// A linker without functions.
    pub fn new(engine: &Engine) -> Linker<T> {
        Linker { engine: engine.clone(), functions: HashMap::new() }
    }

    /// Defines a function by a closure whose types the compiler knows. This is the fastest kind.
    ///
    /// # Errors
    ///
    /// When there is a function with this name already.
    pub fn func<Marker>(
        &mut self,
        module: &str,
        name: &str,
        closure: impl IntoFunc<T, Marker>,
    ) -> Result<&mut Self, Error> {
        self.define(module, name, closure.into_host())
    }

    /// Defines a function of a type known at run time. The closure gets its parameters and sets its
    /// results, which are zero or null before.
    ///
    /// # Errors
    ///
    /// When there is a function with this name already.
    pub fn func_dynamic<F>(&mut self, module: &str, name: &str, ty: FuncType, closure: F) -> Result<&mut Self, Error>
    where
        F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<(), Error> + Send + Sync + 'static,
    {
        let signature = convert::host_signature(&ty);
        let function = HostFunction::dynamic(signature, move |vm: HostContext<'_, T>, params, results| {
            dynamic(&ty, &closure, vm, params, results)
        });
        self.define(module, name, function)
    }

    /// Defines a function that returns a future. The guest is suspended until it is ready, and no thread waits.
    /// Only guests that are called by `call_async` can call it.
    /// When the call is asked to stop meanwhile, the future is dropped.
    ///
    /// # Errors
    ///
    /// When there is a function with this name already.
    pub fn func_async<P, R, F>(&mut self, module: &str, name: &str, closure: F) -> Result<&mut Self, Error>
    where
        P: WasmValues + Send + 'static,
        R: WasmValues + Send + 'static,
        F: for<'a> Fn(Caller<'a, T>, P) -> HostFuture<'a, R> + Send + Sync + 'static,
    {
        let ty = FuncType::new(P::TYPES.iter().copied(), R::TYPES.iter().copied());
        let signature = convert::host_signature(&ty);
        let function = HostFunction::asynchronous(signature, move |vm, params: Box<[RawVal]>| {
            let future = closure(Caller::new(vm), P::load(&params));
            Box::pin(async move {
                let results = future.await?;
                let mut buffer = R::buffer();
                let values = buffer.as_mut();
                results.store(values);
                Ok::<_, HostError>(values[..R::TYPES.len()].to_vec())
            })
        });
        self.define(module, name, function)
    }

    pub(crate) fn define(&mut self, module: &str, name: &str, function: HostFunction<T>) -> Result<&mut Self, Error> {
        let functions = self.functions.entry(module.into()).or_default();
        if functions.contains_key(name) {
            let message = format!("`{}` `{}` is defined twice", Shown(module), Shown(name));
            return Err(Error::message(ErrorKind::Usage, message));
        }
        functions.insert(name.into(), function);
        Ok(self)
    }

    /// Makes a module ready for instances: finds its imports, checks all types, and asks the allocator whether
    /// it will fit.
    ///
    /// # Errors
    ///
    /// When imports are missing, of which the message names the first sixteen, or one has another type, or no instance could
    /// ever be made.
    pub fn prepare(&self, module: &Module) -> Result<Prepared<T>, Error> {
        self.prepare_with(module, Limits::new())
    }

    /// As [`prepare`](Linker::prepare), with limits for each instance.
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Linker::prepare), when the module's own minimum exceeds a limit, and when a limit is one that the
    /// engine's guests do not look for: fuel or a deadline without its [`Interruption`](crate::Interruption).
    pub fn prepare_with(&self, module: &Module, limits: Limits) -> Result<Prepared<T>, Error> {
        self.check_engine(module)?;
        let (mut functions, mut missing) = (Vec::new(), Vec::new());
        for import in module.inner.image.imports().iter() {
            match self.find(import.module, import.name).or_else(|| provided(import.module, import.name)) {
                Some(function) => functions.push(function),
                None => missing.push((import.module, import.name)),
            }
        }
        if !missing.is_empty() {
            return Err(self.missing(&missing));
        }
        Prepared::new(&self.engine, module, functions, limits)
    }

    pub(crate) fn check_engine(&self, module: &Module) -> Result<(), Error> {
        if !Arc::ptr_eq(&module.inner.engine.inner, &self.engine.inner) {
            let message = "the module was compiled by another engine than the linker's";
            return Err(Error::message(ErrorKind::Usage, message));
        }
        Ok(())
    }

    /// The function with this name.
    pub(crate) fn find(&self, module: &str, name: &str) -> Option<HostFunction<T>> {
        self.functions.get(module)?.get(name).cloned()
    }

    /// Our error for imports, at least one, that nothing is defined for.
    fn missing(&self, imports: &[(&str, &str)]) -> Error {
        let (named, more) = imports.split_at(imports.len().min(MOST_NAMED));
        let mut modules: Vec<&str> = named.iter().map(|(module, _)| *module).collect();
        modules.sort_unstable();
        modules.dedup();
        let hints: Vec<_> = modules.into_iter().map(|module| self.hint(module)).collect();
        let named: Vec<_> =
            named.iter().map(|(module, name)| format!("`{}` `{}`", Shown(module), Shown(name))).collect();
        let (named, hints) = (named.join(", "), hints.join("; "));
        let not = match (imports.len(), more.len()) {
            (1, _) => "is not defined".to_owned(),
            (_, 0) => "are not defined".to_owned(),
            (_, more) => format!("and {more} more are not defined"),
        };
        Error::message(ErrorKind::Link, format!("unknown import: {named} {not} ({hints})"))
    }

    /// What there is of a module instead.
    fn hint(&self, module: &str) -> String {
        match self.functions.get(module) {
            None => format!("nothing is defined for the module `{}`", Shown(module)),
            Some(functions) => format!("the host defines {} other functions of `{}`", functions.len(), Shown(module)),
        }
    }
}

/// What every instance has, unless the embedder defines another. It is in no snapshot, so no attempt to make one has it.
fn provided<T: 'static>(module: &str, name: &str) -> Option<HostFunction<T>> {
    let generation = |vm: HostContext<'_, T>| vm.generation() as i64;
    ((module, name) == hatchery_init::GENERATION).then(|| HostFunction::typed(generation))
}

/// Calls a dynamic closure with values.
fn dynamic<T: 'static>(
    ty: &FuncType,
    closure: &impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<(), Error>,
    mut vm: HostContext<'_, T>,
    params: &[RawVal],
    results: &mut [RawVal],
) -> Result<(), HostError> {
    let lifted: Vec<Val> =
        ty.params().iter().zip(params).map(|(ty, raw)| raw::lift(&vm, convert::image_type(*ty), *raw)).collect();
    let mut values: Vec<Val> =
        ty.results().iter().map(|ty| raw::lift(&vm, convert::image_type(*ty), RawVal::ZERO)).collect();
    closure(Caller::new(vm.lend()), &lifted, &mut values)?;
    for (i, (ty, value)) in ty.results().iter().zip(&values).enumerate() {
        results[i] = raw::lower(&vm, convert::image_type(*ty), value).map_err(|e| e.context(format!("result {i}")))?;
    }
    Ok(())
}

impl<T> fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linker").field("modules", &self.functions.keys()).finish_non_exhaustive()
    }
}
