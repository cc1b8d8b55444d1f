//! A link set, compiled and allocated: instances to initialize and exports to use.

use crate::effects::{Reads, harmless_exports};
use crate::plan::SetPlan;
use crate::script::{Action, Expression};
use crate::spectest;
use crate::value::{Actual, Argument};
use hatchery::{Engine, Error, ErrorKind, Extern, ExternRef, Instance, InstanceRef, Linker, ModuleSet, Trap, Val};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Why something could not be done.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) kind: ErrorKind,
    pub(crate) trap: Option<Trap>,
    pub(crate) message: String,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed { kind: error.kind(), trap: error.trap(), message: error.to_string() }
    }
}

impl Failed {
    fn usage(message: String) -> Failed {
        Failed { kind: ErrorKind::Usage, trap: None, message }
    }
}

/// A link set that runs.
pub(crate) struct Live {
    instance: Instance<()>,
    /// By index in the set's plan.
    instances: Vec<InstanceRef>,
    modules: Vec<Arc<[u8]>>,
    /// Harmless exports by index in the set's plan, found when first asked for.
    harmless: HashMap<usize, BTreeMap<String, Reads>>,
    /// Host values that the script named.
    externs: HashMap<u32, ExternRef>,
}

impl Live {
    /// Compiles, links and allocates a set. Only `spectest` is initialized.
    pub(crate) fn new(engine: &Engine, plan: &SetPlan) -> Result<Live, Failed> {
        let mut set = ModuleSet::script(engine);
        let modules = plan.modules.iter().map(|module| set.module(module)).collect::<Result<Vec<_>, _>>()?;
        let mut instances: Vec<InstanceRef> = Vec::new();
        for instance in &plan.instances {
            let imports: Vec<_> = instance.imports.iter().map(|(name, i)| (name.as_str(), instances[*i])).collect();
            instances.push(set.instance(modules[instance.module], instance.name.as_deref(), &imports));
        }
        let instance = linker(engine)?.prepare(&set.compile()?)?.allocate(())?;
        let modules: Vec<_> = plan.instances.iter().map(|instance| plan.modules[instance.module].clone()).collect();
        let mut live = Live { instance, instances, modules, harmless: HashMap::new(), externs: HashMap::new() };
        if live.modules.first().is_some_and(|module| Arc::ptr_eq(module, &spectest::binary())) {
            live.initialize(0)?;
        }
        Ok(live)
    }

    /// Initializes an instance.
    pub(crate) fn initialize(&mut self, instance: usize) -> Result<(), Failed> {
        Ok(self.instance.initialize_instance(self.instances[instance])?)
    }

    /// What an exported function reads, if calling it once more changes nothing.
    pub(crate) fn harmless(&mut self, instance: usize, export: &str) -> Option<Reads> {
        let exports = self.harmless.entry(instance).or_insert_with(|| harmless_exports(&self.modules[instance]));
        exports.get(export).copied()
    }

    /// Calls a function or reads a global.
    pub(crate) fn perform(&mut self, instance: usize, action: &Action) -> Result<Vec<Actual>, Failed> {
        let export = self.instance.export_of(self.instances[instance], &action.export);
        let export = export.ok_or_else(|| Failed::usage(format!("there is no export \"{}\"", action.export)))?;
        let values = match (&action.expression, export) {
            (Expression::Call(arguments), Extern::Func(func)) => {
                let arguments = arguments.iter().map(|a| self.argument(*a)).collect::<Result<Vec<_>, _>>()?;
                func.call_dynamic(&mut self.instance, &arguments)?
            }
            (Expression::Get, Extern::Global(global)) => vec![global.get(&mut self.instance)?],
            (Expression::Call(_), _) => return Err(Failed::usage(format!("\"{}\" is no function", action.export))),
            (Expression::Get, _) => return Err(Failed::usage(format!("\"{}\" is no global", action.export))),
        };
        values.into_iter().map(|value| self.actual(value)).collect()
    }

    fn argument(&mut self, argument: Argument) -> Result<Val, Failed> {
        Ok(match argument {
            Argument::I32(value) => Val::I32(value),
            Argument::I64(value) => Val::I64(value),
            Argument::F32(bits) => Val::F32(bits),
            Argument::F64(bits) => Val::F64(bits),
            Argument::V128(bits) => Val::V128(bits),
            Argument::NullFunc => Val::FuncRef(None),
            Argument::NullExtern => Val::ExternRef(None),
            Argument::Extern(number) => Val::ExternRef(Some(self.host_value(number)?)),
            Argument::Foreign => {
                return Err(Failed::usage("a module's function takes no component's value".to_owned()));
            }
        })
    }

    /// The reference that stands for a number of the script's.
    fn host_value(&mut self, number: u32) -> Result<ExternRef, Failed> {
        if let Some(known) = self.externs.get(&number) {
            return Ok(*known);
        }
        let reference = ExternRef::new(&mut self.instance, number)?;
        self.externs.insert(number, reference);
        Ok(reference)
    }

    fn actual(&mut self, value: Val) -> Result<Actual, Failed> {
        Ok(match value {
            Val::I32(value) => Actual::I32(value),
            Val::I64(value) => Actual::I64(value),
            Val::F32(bits) => Actual::F32(bits),
            Val::F64(bits) => Actual::F64(bits),
            Val::V128(bits) => Actual::V128(bits),
            Val::FuncRef(None) => Actual::NullFunc,
            Val::FuncRef(Some(_)) => Actual::Func,
            Val::ExternRef(None) => Actual::NullExtern,
            Val::ExternRef(Some(reference)) => Actual::Extern(reference.downcast::<u32>(&mut self.instance)),
            other => return Err(Failed::usage(format!("a result of a kind that scripts do not know: {other:?}"))),
        })
    }
}

/// What `spectest` imports; scripts do not look at what is printed.
fn linker(engine: &Engine) -> Result<Linker<()>, Error> {
    let mut linker = Linker::new(engine);
    linker.func(spectest::HOST, "print", || ())?;
    linker.func(spectest::HOST, "print_i32", |_: i32| ())?;
    linker.func(spectest::HOST, "print_i64", |_: i64| ())?;
    linker.func(spectest::HOST, "print_f32", |_: f32| ())?;
    linker.func(spectest::HOST, "print_f64", |_: f64| ())?;
    linker.func(spectest::HOST, "print_i32_f32", |_: i32, _: f32| ())?;
    linker.func(spectest::HOST, "print_f64_f64", |_: f64, _: f64| ())?;
    Ok(linker)
}
