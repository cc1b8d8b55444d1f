//! Wasmtime as an oracle for components.

use hatchery_fuzzing::ComponentOracle;
use hatchery_fuzzing::component::{Answer, Call, Composition, Datum, Ending, FAILURE, Happening, Other, Res, Ty};
use hatchery_fuzzing::vocabulary::Trap;
use std::slice::Iter;
use std::sync::LazyLock;
use wasmtime::component::{Component, Instance, Linker, Resource, ResourceAny, ResourceType, Val};
use wasmtime::{AsContextMut, Config, Engine, OptLevel, Store, StoreContextMut};

type Host = hatchery_fuzzing::component::Host<ResourceAny>;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_map(true)
        .wasm_component_model_fixed_length_lists(true)
        .wasm_multi_memory(true)
        .cranelift_opt_level(OptLevel::None)
        .memory_reservation(8 << 20)
        .wasm_backtrace_max_frames(None);
    Engine::new(&config).expect("a possible configuration")
});

/// Wasmtime's component model.
#[derive(Debug)]
pub struct WasmtimeComponents;

impl ComponentOracle for WasmtimeComponents {
    fn observe(&self, composition: &Composition) -> Option<Vec<Happening>> {
        let component = Component::new(&ENGINE, &composition.binary);
        let component = component.unwrap_or_else(|error| panic!("it refuses {composition:?}: {error:?}"));
        let prepared = linker(composition).instantiate_pre(&component);
        let prepared = prepared.unwrap_or_else(|error| panic!("it does not link {composition:?}: {error:?}"));
        let (mut host, mut calls) = (Host::new(composition), composition.calls.iter());
        while calls.len() > 0 {
            let mut store = Store::new(&ENGINE, host.again());
            let instance = prepared.instantiate(&mut store);
            let instance = instance.unwrap_or_else(|error| panic!("it does not start {composition:?}: {error:?}"));
            call_until_one_fails(&mut store, &instance, composition, &mut calls);
            host = store.into_data();
        }
        Some(host.happened)
    }
}

fn linker(composition: &Composition) -> Linker<Host> {
    let mut linker = Linker::<Host>::new(&ENGINE);
    let mut up = linker.instance("up").expect("a name");
    let dropped = |mut cx: StoreContextMut<'_, Host>, rep| {
        cx.data_mut().happened.push(Happening::Dropped(rep));
        Ok(())
    };
    up.resource("res", ResourceType::host::<Res>(), dropped).expect("defined once");
    let dropped = |mut cx: StoreContextMut<'_, Host>, rep| {
        cx.data_mut().happened.push(Happening::DroppedOther(rep));
        Ok(())
    };
    up.resource("other", ResourceType::host::<Other>(), dropped).expect("defined once");
    for (number, signature) in composition.imports.iter().enumerate() {
        let ty = signature.result.clone();
        up.func_new(&format!("f{number}"), move |mut cx, _, args, results| {
            let args = args.iter().map(|arg| datum(&mut cx, arg)).collect();
            match cx.data_mut().called(number, args) {
                Answer::Result(value) => {
                    for (result, (ty, value)) in results.iter_mut().zip(ty.iter().zip(value)) {
                        *result = val(&mut cx, ty, &value);
                    }
                    Ok(())
                }
                Answer::Failure => Err(wasmtime::Error::msg(FAILURE)),
            }
        })
        .expect("defined once");
    }
    linker
}

fn call_until_one_fails(
    store: &mut Store<Host>,
    instance: &Instance,
    composition: &Composition,
    calls: &mut Iter<'_, Call>,
) {
    for call in calls {
        let result = match call {
            Call::Export(number, args) => call_export(store, instance, composition, *number, args),
            Call::Drop(number) => {
                let thing = store.data_mut().take(*number);
                thing.map(|thing| thing.resource_drop(&mut *store).map(|()| None))
            }
        };
        let Some(result) = result else { continue };
        let ending = result.map_or_else(|error| ending(&error), Ending::Returned);
        let ended = !matches!(ending, Ending::Returned(_));
        store.data_mut().happened.push(Happening::Ended(ending));
        if ended {
            return;
        }
    }
}

/// Calls an export, unless the host has not what it would have to pass.
fn call_export(
    store: &mut Store<Host>,
    instance: &Instance,
    composition: &Composition,
    number: usize,
    args: &[Datum],
) -> Option<wasmtime::Result<Option<Datum>>> {
    let signature = &composition.exports[number];
    let things = store.data_mut().give(&signature.params, args)?;
    let arg = |((ty, arg), thing): ((&Ty, &Datum), Option<ResourceAny>)| match thing {
        Some(thing) => Val::Resource(thing),
        None => val(&mut *store, ty, arg),
    };
    let args: Vec<Val> = signature.params.iter().zip(args).zip(things).map(arg).collect();
    let func = instance.get_func(&mut *store, &*format!("f{number}")).expect("an export");
    let mut results = vec![Val::Bool(false); signature.result.iter().count()];
    let result = func.call(&mut *store, &args, &mut results);
    Some(result.map(|()| match results.first() {
        Some(Val::Resource(thing)) if signature.result == Some(Ty::OwnThing) => Some(store.data_mut().got(*thing)),
        value => value.map(|value| datum(&mut *store, value)),
    }))
}

fn ending(error: &wasmtime::Error) -> Ending {
    use wasmtime::Trap as Theirs;
    let text = format!("{error:#}");
    match error.downcast_ref::<Theirs>() {
        Some(Theirs::StackOverflow) => Ending::Limit,
        Some(Theirs::UnreachableCodeReached) => Ending::Trapped(Trap::Unreachable),
        Some(Theirs::MemoryOutOfBounds) => Ending::Trapped(Trap::MemoryOutOfBounds),
        Some(Theirs::IndirectCallToNull) => Ending::Trapped(Trap::UninitializedElement),
        Some(Theirs::TableOutOfBounds) => Ending::Trapped(Trap::UndefinedElement),
        Some(_) => Ending::Violation,
        None if text.contains(FAILURE) => Ending::HostFailed,
        // How much one call may make the host allocate is counted in other ways.
        None if text.contains("fuel") => Ending::Limit,
        None => Ending::Violation,
    }
}

fn some(value: Option<Val>) -> Option<Box<Val>> {
    value.map(Box::new)
}

/// A value in Wasmtime's words.
fn val(mut cx: impl AsContextMut, ty: &Ty, datum: &Datum) -> Val {
    let mut cx = cx.as_context_mut();
    let mut all = |of: &Ty, list: &[Datum]| list.iter().map(|datum| val(&mut cx, of, datum)).collect::<Vec<_>>();
    match (ty, datum) {
        (_, Datum::Bool(value)) => Val::Bool(*value),
        (Ty::Int(bits, signed), Datum::Int(value)) => integer(*bits, *signed, *value),
        (Ty::Float(32), Datum::Float(bits)) => Val::Float32(f32::from_bits(*bits as u32)),
        (_, Datum::Float(bits)) => Val::Float64(f64::from_bits(*bits)),
        (_, Datum::Char(value)) => Val::Char(*value),
        (_, Datum::Text(text)) => Val::String(text.clone()),
        (Ty::List(of), Datum::List(list)) => Val::List(all(of, list)),
        (Ty::Fixed(of, _), Datum::List(list)) => Val::FixedLengthList(all(of, list)),
        (Ty::Map(key, value), Datum::Map(entries)) => {
            Val::Map(entries.iter().map(|(k, v)| (val(&mut cx, key, k), val(&mut cx, value, v))).collect())
        }
        (Ty::Tuple(types), Datum::Fields(values)) => {
            Val::Tuple(types.iter().zip(values).map(|(ty, value)| val(&mut cx, ty, value)).collect())
        }
        (Ty::Record(_, types), Datum::Fields(values)) => {
            let fields = types.iter().zip(values).enumerate();
            Val::Record(fields.map(|(i, (ty, value))| (format!("f{i}"), val(&mut cx, ty, value))).collect())
        }
        (_, Datum::Case(case, payload)) => {
            let payload = payload.as_ref().and_then(|payload| Some(val(&mut cx, ty.case(*case)?, payload)));
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
        // What is lent is owned until then, too.
        (_, Datum::Other(rep)) => {
            let resource = ResourceAny::try_from_resource(Resource::<Other>::new_own(*rep), &mut cx);
            Val::Resource(resource.expect("nobody has it"))
        }
        (_, Datum::Handle(rep)) => {
            let resource = ResourceAny::try_from_resource(Resource::<Res>::new_own(*rep), &mut cx);
            Val::Resource(resource.expect("nobody has it"))
        }
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

/// A value in the words that all share. Resources are taken.
fn datum(mut cx: impl AsContextMut, val: &Val) -> Datum {
    let mut cx = cx.as_context_mut();
    let number = |name: &str| name[1..].parse().expect("a number in the name");
    let mut list = |list: &[Val]| list.iter().map(|val| datum(&mut cx, val)).collect();
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
        Val::Float32(value) => Datum::f32(*value),
        Val::Float64(value) => Datum::f64(*value),
        Val::Char(value) => Datum::Char(*value),
        Val::String(text) => Datum::Text(text.clone()),
        Val::List(values) | Val::FixedLengthList(values) => Datum::List(list(values)),
        Val::Map(entries) => {
            Datum::Map(entries.iter().map(|(key, value)| (datum(&mut cx, key), datum(&mut cx, value))).collect())
        }
        Val::Tuple(values) => Datum::Fields(list(values)),
        Val::Record(fields) => Datum::Fields(fields.iter().map(|(_, value)| datum(&mut cx, value)).collect()),
        Val::Variant(name, of) => Datum::Case(number(name), payload(cx, of)),
        Val::Enum(name) => Datum::Case(number(name), None),
        Val::Option(of) => Datum::Case(of.is_some().into(), payload(cx, of)),
        Val::Result(Ok(of)) => Datum::Case(0, payload(cx, of)),
        Val::Result(Err(of)) => Datum::Case(1, payload(cx, of)),
        Val::Flags(names) => Datum::Flags(names.iter().fold(0, |bits, name| bits | 1 << number(name))),
        Val::Resource(resource) if resource.ty() == ResourceType::host::<Res>() => {
            Datum::Handle(resource.try_into_resource::<Res>(&mut cx).expect("the host's").rep())
        }
        Val::Resource(resource) => {
            Datum::Other(resource.try_into_resource::<Other>(&mut cx).expect("the host's").rep())
        }
        other => panic!("{other:?} is of no type there is"),
    }
}

fn payload(cx: impl AsContextMut, of: &Option<Box<Val>>) -> Option<Box<Datum>> {
    of.as_ref().map(|of| Box::new(datum(cx, of)))
}
