//! The host's functions: defined with types that are known at run time, or to the compiler, or as futures.

use super::calls::called;
use super::values::{lowered, shown};
use super::words::Words;
use crate::host::{Answer, HOST, HostCall, HostState, answer};
use crate::paths;
use crate::program::Program;
use crate::suspension;
use hatchery::{Caller, Engine, Error, Func, FuncType, HostFuture, Linker, Val};
use wasmparser::{Parser, Payload};

type Host = HostState<Func>;

/// All of them.
pub(super) fn linker(engine: &Engine, program: &Program, how: paths::Host) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    for number in 0..HOST.len() {
        let defined = match how {
            paths::Host::Dynamic => None,
            paths::Host::Suspending if may_suspend(program) => suspending(&mut linker, number),
            paths::Host::Typed | paths::Host::Suspending => typed(&mut linker, number),
        };
        defined.unwrap_or_else(|| dynamic(&mut linker, number));
    }
    linker
}

/// Whether all calls of host functions come from exports that the host has called so that they can be suspended: none from a
/// start function, nor from one that is called back.
fn may_suspend(program: &Program) -> bool {
    let starts = |module: &[u8]| {
        Parser::new(0).parse_all(module).any(|payload| matches!(payload, Ok(Payload::StartSection { .. })))
    };
    let called_back = |module: &[u8]| module.windows(CALL_BACK.len()).any(|bytes| bytes == CALL_BACK.as_bytes());
    !program.modules.iter().any(|module| starts(module) || called_back(module))
}

/// The function that calls back.
const CALL_BACK: &str = "call back";

fn dynamic(linker: &mut Linker<Host>, number: usize) {
    let function = &HOST[number];
    let ty = FuncType::new(function.params.iter().copied(), function.results.iter().copied());
    let closure = move |cx: Caller<'_, _>, params: &[Val], results: &mut [Val]| host(cx, number, params, results);
    linker.func_dynamic("host", function.name, ty, closure).expect("defined once");
}

/// Defines it by a closure over its types, if it has such.
fn typed(linker: &mut Linker<Host>, number: usize) -> Option<()> {
    type Cx<'a> = Caller<'a, Host>;
    let name = HOST[number].name;
    let defined = match name {
        "mix" | CALL_BACK => linker.func("host", name, move |cx: Cx<'_>, x: i32| -> Result<i32, Error> {
            run(cx, number, (x,)).map(|(x,)| x)
        }),
        "two" => linker.func("host", name, move |cx: Cx<'_>, x: i64, y: i32| -> Result<(i32, i64), Error> {
            run(cx, number, (x, y))
        }),
        "nothing" => linker.func("host", name, move |cx: Cx<'_>| -> Result<(), Error> { run(cx, number, ()) }),
        "floats" => linker.func("host", name, move |cx: Cx<'_>, x: f32, y: f64| -> Result<(f64, f32), Error> {
            run(cx, number, (x, y))
        }),
        "fail sometimes" => {
            linker.func("host", name, move |cx: Cx<'_>, x: i32| -> Result<(), Error> { run(cx, number, (x,)) })
        }
        "many" => linker.func(
            "host",
            name,
            move |cx: Cx<'_>, a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64, h: i64, i: i64, j: i64| {
                let results: Result<(i64, i64, i64, i64), Error> = run(cx, number, (a, b, c, d, e, f, g, h, i, j));
                results
            },
        ),
        _ => return None,
    };
    defined.map(|_| ()).expect("defined once");
    Some(())
}

/// Defines it by a future, if it has types that the compiler can know and does not call back.
fn suspending(linker: &mut Linker<Host>, number: usize) -> Option<()> {
    type Ten = (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64);
    match HOST[number].name {
        "mix" => future::<(i32,), (i32,)>(linker, number),
        "two" => future::<(i64, i32), (i32, i64)>(linker, number),
        "nothing" => future::<(), ()>(linker, number),
        "floats" => future::<(f32, f64), (f64, f32)>(linker, number),
        "fail sometimes" => future::<(i32,), ()>(linker, number),
        "many" => future::<Ten, (i64, i64, i64, i64)>(linker, number),
        _ => return None,
    }
    Some(())
}

fn future<P: Words, R: Words>(linker: &mut Linker<Host>, number: usize) {
    fn later<P: Words, R: Words>(cx: Caller<'_, Host>, number: usize, params: P) -> HostFuture<'_, R> {
        Box::pin(async move {
            suspension::once().await;
            run(cx, number, params)
        })
    }
    let define = linker.func_async::<P, R, _>("host", HOST[number].name, move |cx, params| later(cx, number, params));
    define.expect("defined once");
}

fn run<P: Words, R: Words>(cx: Caller<'_, Host>, number: usize, params: P) -> Result<R, Error> {
    let mut results = vec![Val::I32(0); HOST[number].results.len()];
    host(cx, number, &params.vals(), &mut results)?;
    Ok(R::of(&results).expect("results of its types"))
}

fn host(mut cx: Caller<'_, Host>, number: usize, params: &[Val], results: &mut [Val]) -> Result<(), Error> {
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

fn call_back(cx: &mut Caller<'_, Host>, which: u32) -> i32 {
    let Some((func, args)) = cx.data_mut().call_back(which) else { return -9 };
    let outcome = called(&mut *cx, func, &args);
    cx.data_mut().called_back(&outcome)
}
