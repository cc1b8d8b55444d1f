//! Trees of calls between host and guest, ending in every way, against what they mean.

use super::guest::{Function, Session, USABLE};
use crate::machine::{HostFailure, Raise, Reason, raise};
use hatchery_image::TrapCode;
use proptest::prelude::*;

/// A call of the guest by the host.
#[derive(Debug, Clone)]
enum Call {
    Increment(i64),
    Trap(TrapCode),
    /// The guest calls the host, which makes these calls and then ends.
    Host(Vec<Call>, End),
}

#[derive(Debug, Clone, Copy)]
enum End {
    /// Returns the sum of what its calls returned, those that failed counting one.
    Return,
    Raise(TrapCode),
    Error,
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Value(i64),
    Trap(TrapCode),
    Error,
}

const TRAPS: [(TrapCode, Function, i64); 4] = [
    (TrapCode::Unreachable, Function::Halt, 0),
    (TrapCode::IntegerDivideByZero, Function::Divide, 0),
    (TrapCode::MemoryOutOfBounds, Function::Load, USABLE),
    (TrapCode::StackOverflow, Function::Huge, 0),
];

impl Call {
    fn expected(&self) -> Outcome {
        match self {
            Call::Increment(n) => Outcome::Value(n + 1),
            Call::Trap(code) => Outcome::Trap(*code),
            Call::Host(_, End::Raise(code)) => Outcome::Trap(*code),
            Call::Host(_, End::Error) => Outcome::Error,
            Call::Host(calls, End::Return) => {
                Outcome::Value(1000 + calls.iter().map(|call| call.expected().weight()).sum::<i64>())
            }
        }
    }

    fn run(&self, session: &Session) -> Outcome {
        let (function, parameter) = match self {
            Call::Increment(n) => (Function::Increment, *n),
            Call::Trap(code) => {
                let (_, function, parameter) = TRAPS.iter().find(|trap| trap.0 == *code).expect("one of these");
                (*function, *parameter)
            }
            Call::Host(..) => (Function::Import, self as *const Call as i64),
        };
        match session.call(function, parameter).map_err(|unwind| unwind.reason) {
            Ok(value) => Outcome::Value(value),
            Err(Reason::Trap { code, .. }) => Outcome::Trap(code),
            Err(Reason::Host(HostFailure::Error(_))) => Outcome::Error,
            Err(other) => panic!("nobody asked for {other:?}"),
        }
    }
}

impl Outcome {
    fn weight(&self) -> i64 {
        match self {
            Outcome::Value(value) => *value,
            Outcome::Trap(_) | Outcome::Error => 1,
        }
    }
}

unsafe extern "C" fn host(vmctx: *mut u8, parameter: i64) -> i64 {
    // SAFETY: the session is what called, with a call that lives as long.
    let (session, call) = unsafe { (Session::of(vmctx), &*(parameter as *const Call)) };
    let Call::Host(calls, end) = call else { return 0 };
    let sum = calls.iter().map(|call| call.run(session).weight()).sum();
    let why = match end {
        End::Return => return sum,
        End::Raise(code) => Raise::Trap(*code),
        End::Error => Raise::Host(HostFailure::Error("failed".into())),
    };
    // SAFETY: nothing in this frame has a destructor; the reason moves into the record.
    unsafe { raise(session.record(), why) }
}

fn call() -> impl Strategy<Value = Call> {
    let leaf = prop_oneof![
        (0..100i64).prop_map(Call::Increment),
        prop::sample::select(TRAPS.map(|trap| trap.0).to_vec()).prop_map(Call::Trap),
    ];
    let codes = [TrapCode::OutOfFuel, TrapCode::DeadlineExceeded].to_vec();
    let end = prop_oneof![Just(End::Return), prop::sample::select(codes).prop_map(End::Raise), Just(End::Error)];
    leaf.prop_recursive(6, 40, 4, move |inner| {
        (prop::collection::vec(inner, 0..4), end.clone()).prop_map(|(calls, end)| Call::Host(calls, end))
    })
}

proptest! {
    #[test]
    fn every_call_ends_as_it_should(calls in prop::collection::vec(call(), 1..8)) {
        let session = Session::new();
        session.set_host(host);
        for call in &calls {
            prop_assert_eq!(call.run(&session), call.expected());
        }
    }
}
