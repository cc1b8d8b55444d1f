//! Calls of exports: with types that are known at run time, or to the compiler, in a way that lets the guest be
//! suspended, or not.

use super::values::{lowered, shown};
use super::words::Words;
use crate::host::HostState;
use crate::paths::Calls;
use crate::program::{Outcome, Value};
use crate::suspension::block_on;
use hatchery::{AsContext, Error, ErrorKind, Func, Instance, Trap, Val};

type Guest = Instance<HostState<Func>>;
type Way = fn(&mut Guest, Func, &[Val], bool) -> Option<Result<Vec<Val>, Error>>;

/// Types of functions that the compiler knows.
const WAYS: [Way; 16] = [
    typed::<(), ()>,
    typed::<(), (i32,)>,
    typed::<(), (i64,)>,
    typed::<(), (f32,)>,
    typed::<(), (f64,)>,
    typed::<(), (i32, i64)>,
    typed::<(i32,), ()>,
    typed::<(i64,), ()>,
    typed::<(f64,), ()>,
    typed::<(i32,), (i32,)>,
    typed::<(i64,), (i64,)>,
    typed::<(f32,), (f32,)>,
    typed::<(f64,), (f64, f64)>,
    typed::<(i32, i64), (i64,)>,
    typed::<(i64, i32), (i32, i64)>,
    typed::<(f32, f64), (f64, f32)>,
];

/// Calls it with the types `P` and `R`, if it has these.
fn typed<P: Words, R: Words>(
    guest: &mut Guest,
    func: Func,
    args: &[Val],
    suspending: bool,
) -> Option<Result<Vec<Val>, Error>> {
    let typed = func.typed::<P, R>(&mut *guest).ok()?;
    let params = P::of(args).expect("arguments of its types");
    let result = if suspending { block_on(typed.call_async(guest, params)) } else { typed.call(guest, params) };
    Some(result.map(Words::vals))
}

/// Calls an export.
pub(super) fn call(guest: &mut Guest, func: Func, args: &[Value], how: Calls) -> Outcome {
    let Some(args) = all_lowered(&mut *guest, args) else { return Outcome::Limit };
    let ways = if how.typed { &WAYS[..] } else { &[] };
    let result = match ways.iter().find_map(|way| way(guest, func, &args, how.suspending)) {
        Some(result) => result,
        None if how.suspending => block_on(func.call_dynamic_async(guest, &args)),
        None => func.call_dynamic(&mut *guest, &args),
    };
    outcome(guest, result)
}

/// Calls a function from wherever that is done.
pub(super) fn called(mut cx: impl AsContext, func: Func, args: &[Value]) -> Outcome {
    let Some(args) = all_lowered(&mut cx, args) else { return Outcome::Limit };
    let result = func.call_dynamic(&mut cx, &args);
    outcome(cx, result)
}

fn all_lowered(mut cx: impl AsContext, args: &[Value]) -> Option<Vec<Val>> {
    args.iter().map(|value| lowered(&mut cx, value).ok()).collect()
}

fn outcome(mut cx: impl AsContext, result: Result<Vec<Val>, Error>) -> Outcome {
    match result {
        Ok(values) => Outcome::Values(values.iter().map(|value| shown(&mut cx, value)).collect()),
        Err(error) => failed(&error),
    }
}

/// How something ended that failed.
pub(super) fn failed(error: &Error) -> Outcome {
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
