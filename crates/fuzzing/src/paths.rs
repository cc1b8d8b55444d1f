//! The ways through our interfaces that a case takes: types that are known at run time or to the compiler, and calls that
//! can be suspended or not.

use crate::late::Late;

/// Which [`Late`] choice is what. Each target has others with other numbers.
const TYPED_HOST: u32 = 1;
const TYPED_CALLS: u32 = 2;
const ASYNC: u32 = 3;

/// How the host's functions are defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    Dynamic,
    /// By closures whose types the compiler knows, where there are such.
    Typed,
    /// The same, as futures where nothing keeps the guest from being suspended.
    Suspending,
}

impl Host {
    pub(crate) fn of(late: Late) -> Host {
        match (late.says(TYPED_HOST), late.says(ASYNC)) {
            (false, _) => Host::Dynamic,
            (true, false) => Host::Typed,
            (true, true) => Host::Suspending,
        }
    }
}

/// How exports are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calls {
    /// With types that the compiler knows, where these are among a few.
    pub(crate) typed: bool,
    /// In a way that lets the guest be suspended. So it is where functions of the host suspend it.
    pub(crate) suspending: bool,
}

impl Calls {
    pub(crate) const PLAIN: Calls = Calls { typed: false, suspending: false };

    pub(crate) fn of(late: Late) -> Calls {
        Calls { typed: late.says(TYPED_CALLS), suspending: late.says(ASYNC) }
    }
}
