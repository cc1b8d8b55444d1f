//! Our machine, in any of a few modes.

use super::types::Ty;
use super::values::Datum;
use super::{Answer, Call, Composition, Ending, FAILURE, Happening, Other, Res, ways};
use crate::late::Late;
use crate::paths::{self, Calls};
use crate::slots;
use crate::suspension::block_on;
use arbitrary::{Result as Random, Unstructured};
use hatchery::component::{Caller, Component, Instance, Linker, Resource, ResourceAny, Val};
use hatchery::{
    Allocation, Bounds, Config, Engine, Error, ErrorKind, Interruption, Limits, Optimization, Pooling, Reset,
    SnapshotOptions, Trap, Verify,
};
use std::slice::Iter;

pub(super) type Host = super::Host<ResourceAny>;

/// What a call may use: so little that a guest that does not end is soon stopped, and so much that all others end.
const FUEL: u64 = 5_000_000;

/// Most bytes that a call may make the host allocate.
const LIFTED: usize = 8 << 20;

/// How a component is compiled and run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    pub(super) engine: usize,
    pub(super) snapshot: bool,
    pub(super) host: paths::Host,
    pub(super) calls: Calls,
}

impl Mode {
    pub(crate) fn arbitrary(u: &mut Unstructured<'_>, late: Late) -> Random<Mode> {
        let (engine, snapshot) = (u.choose_index(MODES)?, u.ratio(1, 4)?);
        Ok(Mode { engine, snapshot, host: paths::Host::of(late), calls: Calls::of(late) })
    }

    pub(crate) fn plain() -> Mode {
        Mode { engine: 0, snapshot: false, host: paths::Host::Dynamic, calls: Calls::PLAIN }
    }

    /// Where slots are used again, an instance follows another.
    fn instances(self) -> usize {
        if self.engine >= FIRST_POOL { 2 } else { 1 }
    }
}

/// Engines there are.
const MODES: usize = 5;

/// Index of the first engine with a pool.
const FIRST_POOL: usize = 3;

thread_local! {
    /// Made once for each thread, so that none waits for another's slots: a pool takes longer to make than a small component
    /// takes to compile.
    static ENGINES: [Engine; MODES] = engines();
}

fn engines() -> [Engine; MODES] {
    let plain = Config::new().optimization(Optimization::None).interruption(Interruption::Fuel);
    let fast = plain.clone().optimization(Optimization::Speed);
    let pool = |reset| {
        let pooling = Pooling::new(2).slot_bytes(20 << 30).reset(reset).verify(Verify::EveryReset);
        plain.clone().allocation(Allocation::Pooling(pooling))
    };
    let strict = plain.clone().allocation(Allocation::Strict).bounds(Bounds::Explicit);
    [plain.clone(), fast, strict, pool(Reset::WorkingSet), pool(Reset::PagemapScan)]
        .map(|config| Engine::new(&config).expect("a possible configuration"))
}

/// What happens, once for each instance that is made; nothing if a limit of ours is exceeded.
///
/// # Panics
///
/// When something blames ourselves, or refuses what is valid, and when a slot is lost.
pub(crate) fn ours(composition: &Composition, mode: &Mode) -> Vec<Vec<Happening>> {
    let engine = ENGINES.with(|engines| engines[mode.engine].clone());
    let all = all(&engine, composition, mode);
    slots::all_came_back(&engine);
    all
}

fn all(engine: &Engine, composition: &Composition, mode: &Mode) -> Vec<Vec<Happening>> {
    let Some(component) = fitting(Component::new(engine, &composition.binary), composition) else { return Vec::new() };
    let linker = linker(engine, composition, mode.host);
    let component = snapshot(mode, component, &linker, composition);
    let limits = Limits::new().fuel(FUEL).max_lifted(LIFTED);
    let Some(prepared) = fitting(linker.prepare_with(&component, limits), composition) else { return Vec::new() };
    let (mut all, mut any) = (Vec::new(), false);
    for _ in 0..mode.instances() {
        let (mut host, mut calls) = (Host::new(composition), composition.calls.iter());
        while calls.len() > 0 {
            let Some(mut instance) = fitting(prepared.instantiate(host.again()), composition) else {
                assert!(!any, "the slot of an instance before is lost in {mode:?} of {composition:?}");
                return all;
            };
            any = true;
            call_until_one_fails(&mut instance, composition, &mut calls, mode.calls);
            host = instance.into_data();
        }
        all.push(host.happened);
    }
    all
}

/// A result unless it is the error of a limit.
fn fitting<R>(result: Result<R, Error>, composition: &Composition) -> Option<R> {
    match result {
        Ok(result) => Some(result),
        Err(error) => {
            let limit = matches!(error.kind(), ErrorKind::Exhausted | ErrorKind::Limit);
            assert!(limit, "{error:?} of {composition:?}");
            None
        }
    }
}

fn snapshot(mode: &Mode, component: Component, linker: &Linker<Host>, composition: &Composition) -> Component {
    if !mode.snapshot {
        return component;
    }
    let made = component.snapshot(linker, SnapshotOptions::new(), || Host::new(composition));
    made.unwrap_or_else(|error| panic!("{error:?} of {composition:?}")).0
}

fn linker(engine: &Engine, composition: &Composition, how: paths::Host) -> Linker<Host> {
    let mut linker = Linker::<Host>::new(engine);
    let mut up = linker.instance("up").expect("a name");
    up.resource::<Res>("res", |mut caller, resource| {
        caller.data_mut().happened.push(Happening::Dropped(resource.rep()));
        Ok(())
    })
    .expect("defined once");
    up.resource::<Other>("other", |mut caller, resource| {
        caller.data_mut().happened.push(Happening::DroppedOther(resource.rep()));
        Ok(())
    })
    .expect("defined once");
    // A destructor cannot be suspended when it is the host who drops the resource.
    let drops = composition.calls.iter().any(|call| matches!(call, Call::Drop(_)));
    for (number, signature) in composition.imports.iter().enumerate() {
        let function = Function { name: format!("f{number}"), number, result: signature.result.clone() };
        match (how, signature.way) {
            (paths::Host::Suspending, Some(way)) if !drops => (ways::WAYS[way].suspending)(&mut up, function),
            (paths::Host::Typed | paths::Host::Suspending, Some(way)) => (ways::WAYS[way].define)(&mut up, function),
            _ => {
                let name = function.name.clone();
                let defined = up.func_dynamic(&name, move |mut caller, _, args| function.called(&mut caller, args));
                defined.map(|_| ()).expect("defined once");
            }
        }
    }
    linker
}

/// A function of the host.
pub(super) struct Function {
    pub(super) name: String,
    number: usize,
    result: Option<Ty>,
}

impl Function {
    /// It was called: what it returns.
    pub(super) fn called(&self, caller: &mut Caller<'_, Host>, args: &[Val]) -> Result<Option<Val>, Error> {
        let args = args.iter().map(datum).collect();
        match caller.data_mut().called(self.number, args) {
            Answer::Result(value) => Ok(self.result.as_ref().zip(value).map(|(ty, value)| val(ty, &value))),
            Answer::Failure => Err(Error::host(FAILURE)),
        }
    }
}

fn call_until_one_fails(
    instance: &mut Instance<Host>,
    composition: &Composition,
    calls: &mut Iter<'_, Call>,
    how: Calls,
) {
    while let Some(call) = calls.next() {
        instance.set_fuel(FUEL);
        let result = match call {
            Call::Export(number, args) => call_export(instance, composition, *number, args, how),
            Call::Drop(number) => {
                let thing = instance.data_mut().take(*number);
                thing.map(|thing| thing.resource_drop(&mut *instance).map(|()| None))
            }
        };
        let Some(result) = result else { continue };
        let ending = result.map_or_else(|error| ending(&error, composition), Ending::Returned);
        let ended = !matches!(ending, Ending::Returned(_));
        if ending == Ending::Limit {
            // What follows is not compared.
            calls.by_ref().for_each(drop);
        }
        instance.data_mut().happened.push(Happening::Ended(ending));
        assert_eq!(instance.is_poisoned(), ended, "{composition:?}");
        if ended {
            return;
        }
    }
}

/// Calls an export, unless the host has not what it would have to pass.
fn call_export(
    instance: &mut Instance<Host>,
    composition: &Composition,
    number: usize,
    args: &[Datum],
    how: Calls,
) -> Option<Result<Option<Datum>, Error>> {
    let signature = &composition.exports[number];
    let things = instance.data_mut().give(&signature.params, args)?;
    let arg = |((ty, arg), thing): ((&Ty, &Datum), Option<ResourceAny>)| match thing {
        Some(thing) => Val::Resource(thing),
        None => val(ty, arg),
    };
    let args: Vec<Val> = signature.params.iter().zip(args).zip(things).map(arg).collect();
    let name = format!("f{number}");
    let result = match signature.way {
        Some(way) if how.typed => (ways::WAYS[way].call)(instance, &name, &args, how.suspending),
        _ => {
            let func = instance.func_dynamic(name.as_str()).expect("an export");
            if how.suspending { block_on(func.call_async(instance, &args)) } else { func.call(instance, &args) }
        }
    };
    Some(result.map(|value| match value {
        Some(Val::Resource(thing)) if signature.result == Some(Ty::OwnThing) => Some(instance.data_mut().got(thing)),
        value => value.as_ref().map(datum),
    }))
}

fn ending(error: &Error, composition: &Composition) -> Ending {
    match (error.kind(), error.trap()) {
        (_, Some(Trap::StackOverflow | Trap::OutOfFuel | Trap::HandleTableFull)) => Ending::Limit,
        (ErrorKind::Exhausted | ErrorKind::Limit, _) => Ending::Limit,
        (_, Some(trap)) if is_core(trap) => Ending::Trapped(trap),
        (_, Some(_)) => Ending::Violation,
        (ErrorKind::Trap, None) if error.to_string().contains("makes the host allocate more") => Ending::Limit,
        (ErrorKind::Trap, None) => Ending::Violation,
        (ErrorKind::Host, None) => Ending::HostFailed,
        _ => panic!("{error:?} of {composition:?}"),
    }
}

fn is_core(trap: Trap) -> bool {
    use Trap::{MemoryOutOfBounds, UndefinedElement, UninitializedElement, Unreachable};
    matches!(trap, Unreachable | MemoryOutOfBounds | UndefinedElement | UninitializedElement)
}

fn some(value: Option<Val>) -> Option<Box<Val>> {
    value.map(Box::new)
}

/// A value in our words.
fn val(ty: &Ty, datum: &Datum) -> Val {
    let all = |of: &Ty, list: &[Datum]| list.iter().map(|datum| val(of, datum)).collect::<Vec<_>>();
    match (ty, datum) {
        (_, Datum::Bool(value)) => Val::Bool(*value),
        (Ty::Int(bits, signed), Datum::Int(value)) => integer(*bits, *signed, *value),
        (Ty::Float(32), Datum::Float(bits)) => Val::F32(f32::from_bits(*bits as u32)),
        (_, Datum::Float(bits)) => Val::F64(f64::from_bits(*bits)),
        (_, Datum::Char(value)) => Val::Char(*value),
        (_, Datum::Text(text)) => Val::String(text.clone()),
        (Ty::List(of) | Ty::Fixed(of, _), Datum::List(list)) => Val::List(all(of, list)),
        (Ty::Map(key, value), Datum::Map(entries)) => {
            Val::Map(entries.iter().map(|(k, v)| (val(key, k), val(value, v))).collect())
        }
        (Ty::Tuple(types), Datum::Fields(values)) => {
            Val::Tuple(types.iter().zip(values).map(|(ty, value)| val(ty, value)).collect())
        }
        (Ty::Record(_, types), Datum::Fields(values)) => {
            let named = |(i, (ty, value)): (usize, (&Ty, &Datum))| (format!("f{i}"), val(ty, value));
            Val::Record(types.iter().zip(values).enumerate().map(named).collect())
        }
        (_, Datum::Case(case, payload)) => {
            let payload = payload.as_ref().and_then(|payload| Some(val(ty.case(*case)?, payload)));
            match ty {
                Ty::Option(_) => Val::Option(some(payload)),
                Ty::Result(..) if *case == 0 => Val::Result(Ok(some(payload))),
                Ty::Result(..) => Val::Result(Err(some(payload))),
                Ty::Enum(..) => Val::Enum(format!("c{case}")),
                _ => Val::Variant(format!("c{case}"), some(payload)),
            }
        }
        (_, Datum::Flags(bits)) => {
            Val::Flags((0..32).filter(|bit| bits >> bit & 1 == 1).map(|bit| format!("b{bit}")).collect())
        }
        (Ty::Borrow, Datum::Handle(rep)) => Val::Resource(ResourceAny::from(Resource::<Res>::new_borrow(*rep))),
        (Ty::BorrowOther, Datum::Other(rep)) => Val::Resource(ResourceAny::from(Resource::<Other>::new_borrow(*rep))),
        (_, Datum::Other(rep)) => Val::Resource(ResourceAny::from(Resource::<Other>::new_own(*rep))),
        (_, Datum::Handle(rep)) => Val::Resource(ResourceAny::from(Resource::<Res>::new_own(*rep))),
        (ty, datum) => panic!("{datum:?} is no {ty:?}"),
    }
}

fn integer(bits: u32, signed: bool, value: i128) -> Val {
    match (bits, signed) {
        (8, false) => Val::U8(value as u8),
        (8, true) => Val::S8(value as i8),
        (16, false) => Val::U16(value as u16),
        (16, true) => Val::S16(value as i16),
        (32, false) => Val::U32(value as u32),
        (32, true) => Val::S32(value as i32),
        (_, false) => Val::U64(value as u64),
        (_, true) => Val::S64(value as i64),
    }
}

/// A value in the words that all share.
fn datum(val: &Val) -> Datum {
    let payload = |payload: &Option<Box<Val>>| payload.as_ref().map(|payload| Box::new(datum(payload)));
    let number = |name: &str| name[1..].parse().expect("a number in the name");
    match val {
        Val::Bool(value) => Datum::Bool(*value),
        Val::S8(value) => Datum::Int((*value).into()),
        Val::U8(value) => Datum::Int((*value).into()),
        Val::S16(value) => Datum::Int((*value).into()),
        Val::U16(value) => Datum::Int((*value).into()),
        Val::S32(value) => Datum::Int((*value).into()),
        Val::U32(value) => Datum::Int((*value).into()),
        Val::S64(value) => Datum::Int((*value).into()),
        Val::U64(value) => Datum::Int((*value).into()),
        Val::F32(value) => Datum::f32(*value),
        Val::F64(value) => Datum::f64(*value),
        Val::Char(value) => Datum::Char(*value),
        Val::String(text) => Datum::Text(text.clone()),
        Val::List(list) => Datum::List(list.iter().map(datum).collect()),
        Val::Map(entries) => Datum::Map(entries.iter().map(|(key, value)| (datum(key), datum(value))).collect()),
        Val::Tuple(values) => Datum::Fields(values.iter().map(datum).collect()),
        Val::Record(fields) => Datum::Fields(fields.iter().map(|(_, value)| datum(value)).collect()),
        Val::Variant(name, of) => Datum::Case(number(name), payload(of)),
        Val::Enum(name) => Datum::Case(number(name), None),
        Val::Option(of) => Datum::Case(of.is_some().into(), payload(of)),
        Val::Result(Ok(of)) => Datum::Case(0, payload(of)),
        Val::Result(Err(of)) => Datum::Case(1, payload(of)),
        Val::Flags(names) => Datum::Flags(names.iter().fold(0, |bits, name| bits | 1 << number(name))),
        Val::Resource(resource) => match resource.try_into_resource::<Res>() {
            Ok(resource) => Datum::Handle(resource.rep()),
            Err(_) => Datum::Other(resource.try_into_resource::<Other>().expect("the host's").rep()),
        },
        other => panic!("{other:?} is of no type there is"),
    }
}
