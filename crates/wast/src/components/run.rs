//! Carries out what a script has of components.

use super::read::{Act, Call, Script};
use super::value::Value;
use crate::report::Report;
use crate::run::Verdict;
use crate::script::Source;
use hatchery::component::{Component, Instance, Linker, Val};
use hatchery::{Engine, Error, ErrorKind};
use std::collections::HashMap;

/// Runs a script. `file` is its name in failures.
pub(crate) fn run(engine: &Engine, file: &str, script: &Script, report: &mut Report) {
    let mut runner = Runner::new(engine);
    for command in &script.commands {
        match runner.command(&command.act) {
            Ok(Verdict::Done) => {}
            Ok(Verdict::Holds) => report.counts.passed += 1,
            Ok(Verdict::Skipped(assertions)) => report.counts.skipped += assertions,
            Err(message) => report.fail(file, command.line, message),
        }
    }
}

/// A component that was compiled, or one that needs what is not supported: what is asserted about its instances is
/// skipped.
#[derive(Clone)]
enum Definition {
    Compiled(Component),
    Unsupported,
}

/// An instance of a [`Definition`].
enum Live {
    Instance(Box<Instance<()>>),
    Unsupported,
}

/// Definitions or instances, by name.
struct Named<T> {
    all: Vec<T>,
    names: HashMap<String, usize>,
}

impl<T> Named<T> {
    fn new() -> Named<T> {
        Named { all: Vec::new(), names: HashMap::new() }
    }

    fn add(&mut self, name: Option<&String>, value: T) {
        if let Some(name) = name {
            self.names.insert(name.clone(), self.all.len());
        }
        self.all.push(value);
    }

    /// The one with this name, or the latest.
    fn get(&mut self, name: Option<&String>) -> Result<&mut T, String> {
        let index = match name {
            Some(name) => *self.names.get(name).ok_or_else(|| format!("nothing is called ${name}"))?,
            None => self.all.len().checked_sub(1).ok_or("there is none yet")?,
        };
        self.all.get_mut(index).ok_or_else(|| "there is none".to_owned())
    }
}

struct Runner<'e> {
    engine: &'e Engine,
    definitions: Named<Definition>,
    instances: Named<Live>,
}

impl<'e> Runner<'e> {
    fn new(engine: &'e Engine) -> Runner<'e> {
        Runner { engine, definitions: Named::new(), instances: Named::new() }
    }

    fn command(&mut self, act: &Act) -> Result<Verdict, String> {
        match act {
            Act::Component { name, source } => {
                let definition = self.define(source)?;
                self.definitions.add(name.as_ref(), definition.clone());
                self.instantiate(name.as_ref(), &definition)
            }
            Act::Define { name, source } => {
                let definition = self.define(source)?;
                self.definitions.add(name.as_ref(), definition);
                Ok(Verdict::Done)
            }
            Act::Instantiate { name, component } => {
                let definition = self.definitions.get(component.as_ref())?.clone();
                self.instantiate(name.as_ref(), &definition)
            }
            Act::Call(call) => Ok(match self.call(call)? {
                Some(outcome) => outcome.map(|_| Verdict::Done).map_err(|error| error.to_string())?,
                None => Verdict::Done,
            }),
            Act::AssertReturn(call, expected) => self.assert_return(call, expected.as_ref()),
            Act::AssertTrap(call, message) => self.assert_trap(call, message),
            Act::AssertTrapOnInstantiation(source, message) => self.assert_trap_on_instantiation(source, message),
            Act::AssertRefused(source, message) => self.assert_refused(source, message),
            Act::Skip { assertions, .. } => Ok(Verdict::Skipped(*assertions)),
        }
    }

    fn define(&self, source: &Source) -> Result<Definition, String> {
        let bytes = source.as_ref().map_err(Clone::clone)?;
        match Component::new(self.engine, bytes) {
            Ok(component) => Ok(Definition::Compiled(component)),
            Err(error) if is_unsupported(&error) => Ok(Definition::Unsupported),
            Err(error) => Err(error.to_string()),
        }
    }

    fn instantiate(&mut self, name: Option<&String>, definition: &Definition) -> Result<Verdict, String> {
        let live = match definition {
            Definition::Compiled(component) => {
                let instance = start(self.engine, component);
                Live::Instance(Box::new(instance.map_err(|error| format!("cannot be instantiated: {error}"))?))
            }
            Definition::Unsupported => Live::Unsupported,
        };
        self.instances.add(name, live);
        Ok(Verdict::Done)
    }

    /// What comes of a call; nothing if the component is not supported.
    fn call(&mut self, call: &Call) -> Result<Option<Outcome>, String> {
        let Live::Instance(instance) = self.instances.get(call.instance.as_ref())? else { return Ok(None) };
        let func = instance.func_dynamic(call.export.as_str()).map_err(|error| error.to_string())?;
        let arguments: Vec<_> = call.arguments.iter().map(to_val).collect();
        Ok(Some(func.call(instance, &arguments)))
    }

    fn assert_return(&mut self, call: &Call, expected: Option<&Value>) -> Result<Verdict, String> {
        let Some(outcome) = self.call(call)? else { return Ok(Verdict::Skipped(1)) };
        let actual = outcome.map_err(|error| error.to_string())?;
        let actual = actual.map(from_val).transpose()?;
        if actual.as_ref() == expected {
            Ok(Verdict::Holds)
        } else {
            Err(format!("expected {expected:?}, got {actual:?}"))
        }
    }

    fn assert_trap(&mut self, call: &Call, message: &str) -> Result<Verdict, String> {
        let Some(outcome) = self.call(call)? else { return Ok(Verdict::Skipped(1)) };
        check_trap(outcome.map(|_| ()), message)?;
        self.refuses(call)?;
        Ok(Verdict::Holds)
    }

    /// An instance that has trapped is not called again.
    fn refuses(&mut self, call: &Call) -> Result<(), String> {
        match self.call(call)? {
            Some(Err(error)) if error.kind() == ErrorKind::Poisoned => Ok(()),
            Some(Err(error)) => Err(format!("after the trap: {error}")),
            Some(Ok(_)) => Err("after the trap, the instance can be called".to_owned()),
            None => Ok(()),
        }
    }

    fn assert_trap_on_instantiation(&mut self, source: &Source, message: &str) -> Result<Verdict, String> {
        let Definition::Compiled(component) = self.define(source)? else { return Ok(Verdict::Skipped(1)) };
        check_trap(start(self.engine, &component).map(|_| ()), message)?;
        Ok(Verdict::Holds)
    }

    /// The component must be refused, and not for a proposal that is not supported.
    fn assert_refused(&self, source: &Source, message: &str) -> Result<Verdict, String> {
        let Ok(bytes) = source else { return Ok(Verdict::Holds) };
        match Component::new(self.engine, bytes) {
            Ok(_) => Err(format!("expected \"{message}\", but the component is valid")),
            Err(error) if error.kind() == ErrorKind::Compile && !is_unsupported(&error) => Ok(Verdict::Holds),
            Err(error) => Err(format!("expected \"{message}\", got: {error}")),
        }
    }
}

type Outcome = Result<Option<Val>, Error>;

/// An instance without a host.
fn start(engine: &Engine, component: &Component) -> Result<Instance<()>, Error> {
    Linker::new(engine).prepare(component)?.instantiate(())
}

fn is_unsupported(error: &Error) -> bool {
    let reason = match error.kind() {
        ErrorKind::Compile => "not supported",
        ErrorKind::Link => "linked at run time",
        _ => return false,
    };
    error.to_string().contains(reason)
}

fn check_trap(outcome: Result<(), Error>, message: &str) -> Result<(), String> {
    let expected = trap(message);
    let Err(error) = outcome else {
        return Err(format!("expected a trap, \"{expected}\", but there was none"));
    };
    let holds = match error.kind() {
        ErrorKind::Trap => error.to_string().contains(expected),
        // For the specification, this is a trap, too.
        ErrorKind::Poisoned => error.to_string().starts_with(expected),
        _ => false,
    };
    if holds { Ok(()) } else { Err(format!("expected a trap, \"{expected}\", got: {error}")) }
}

/// The words of the core specification for a trap. Some scripts have those of a runtime.
fn trap(message: &str) -> &str {
    match message.strip_prefix("wasm trap: ").unwrap_or(message) {
        "wasm `unreachable` instruction executed" => "unreachable",
        expected => expected,
    }
}

fn to_val(value: &Value) -> Val {
    let boxed = |value: &Option<Box<Value>>| value.as_ref().map(|value| Box::new(to_val(value)));
    match value {
        Value::Bool(value) => Val::Bool(*value),
        Value::S8(value) => Val::S8(*value),
        Value::U8(value) => Val::U8(*value),
        Value::S16(value) => Val::S16(*value),
        Value::U16(value) => Val::U16(*value),
        Value::S32(value) => Val::S32(*value),
        Value::U32(value) => Val::U32(*value),
        Value::S64(value) => Val::S64(*value),
        Value::U64(value) => Val::U64(*value),
        Value::F32(bits) => Val::F32(f32::from_bits(*bits)),
        Value::F64(bits) => Val::F64(f64::from_bits(*bits)),
        Value::Char(value) => Val::Char(*value),
        Value::String(value) => Val::String(value.clone()),
        Value::List(values) => Val::List(values.iter().map(to_val).collect()),
        Value::Map(entries) => Val::Map(entries.iter().map(|(key, value)| (to_val(key), to_val(value))).collect()),
        Value::Record(fields) => {
            Val::Record(fields.iter().map(|(name, value)| (name.clone(), to_val(value))).collect())
        }
        Value::Tuple(values) => Val::Tuple(values.iter().map(to_val).collect()),
        Value::Variant(case, payload) => Val::Variant(case.clone(), boxed(payload)),
        Value::Enum(case) => Val::Enum(case.clone()),
        Value::Option(value) => Val::Option(boxed(value)),
        Value::Result(Ok(value)) => Val::Result(Ok(boxed(value))),
        Value::Result(Err(value)) => Val::Result(Err(boxed(value))),
        Value::Flags(names) => Val::Flags(names.clone()),
    }
}

fn from_val(value: Val) -> Result<Value, String> {
    let all = |values: Vec<Val>| values.into_iter().map(from_val).collect::<Result<_, _>>();
    let boxed = |value: Option<Box<Val>>| value.map(|value| from_val(*value).map(Box::new)).transpose();
    Ok(match value {
        Val::Bool(value) => Value::Bool(value),
        Val::S8(value) => Value::S8(value),
        Val::U8(value) => Value::U8(value),
        Val::S16(value) => Value::S16(value),
        Val::U16(value) => Value::U16(value),
        Val::S32(value) => Value::S32(value),
        Val::U32(value) => Value::U32(value),
        Val::S64(value) => Value::S64(value),
        Val::U64(value) => Value::U64(value),
        Val::F32(value) => Value::F32(value.to_bits()),
        Val::F64(value) => Value::F64(value.to_bits()),
        Val::Char(value) => Value::Char(value),
        Val::String(value) => Value::String(value),
        Val::List(values) => Value::List(all(values)?),
        Val::Map(entries) => {
            let entry = |(key, value)| Ok((from_val(key)?, from_val(value)?));
            Value::Map(entries.into_iter().map(entry).collect::<Result<_, String>>()?)
        }
        Val::Record(fields) => {
            let field = |(name, value)| Ok((name, from_val(value)?));
            Value::Record(fields.into_iter().map(field).collect::<Result<_, String>>()?)
        }
        Val::Tuple(values) => Value::Tuple(all(values)?),
        Val::Variant(case, payload) => Value::Variant(case, boxed(payload)?),
        Val::Enum(case) => Value::Enum(case),
        Val::Option(value) => Value::Option(boxed(value)?),
        Val::Result(Ok(value)) => Value::Result(Ok(boxed(value)?)),
        Val::Result(Err(value)) => Value::Result(Err(boxed(value)?)),
        Val::Flags(names) => Value::Flags(names),
        other => return Err(format!("a result of a kind that scripts do not know: {other:?}")),
    })
}
