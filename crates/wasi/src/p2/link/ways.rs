//! How functions that may have to wait are defined: as ones that block, or as ones that are suspended.

use super::super::waiting::{Step, blocking, suspending};
use super::{Calling, Get};
use crate::WasiCtx;
use hatchery::Error;
use hatchery::component::{Caller, Lift, LinkerInstance, Lower, Params, Results};

/// One of the two.
pub(super) trait Way<T: 'static>: Copy {
    /// Defines a function by the steps that it takes for its parameters.
    fn define<P, R, S>(
        self,
        interface: &mut LinkerInstance<'_, T>,
        name: &str,
        get: impl Get<T>,
        steps: impl Fn(P) -> S + Copy + Send + Sync + 'static,
    ) -> Result<(), Error>
    where
        P: Params + Lift + Send + 'static,
        R: Results + Lower + Send + 'static,
        S: FnMut(&mut WasiCtx) -> Result<Step<R>, Error> + Send + 'static;
}

/// The thread that called the component waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocking;

impl<T: 'static> Way<T> for Blocking {
    fn define<P, R, S>(
        self,
        interface: &mut LinkerInstance<'_, T>,
        name: &str,
        get: impl Get<T>,
        steps: impl Fn(P) -> S + Copy + Send + Sync + 'static,
    ) -> Result<(), Error>
    where
        P: Params + Lift + Send + 'static,
        R: Results + Lower + Send + 'static,
        S: FnMut(&mut WasiCtx) -> Result<Step<R>, Error> + Send + 'static,
    {
        let run = move |caller: Caller<'_, T>, params: P| blocking(&mut Calling { caller, get }, steps(params));
        interface.func(name, run).map(drop)
    }
}

/// Nobody waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspending;

impl<T: Send + 'static> Way<T> for Suspending {
    fn define<P, R, S>(
        self,
        interface: &mut LinkerInstance<'_, T>,
        name: &str,
        get: impl Get<T>,
        steps: impl Fn(P) -> S + Copy + Send + Sync + 'static,
    ) -> Result<(), Error>
    where
        P: Params + Lift + Send + 'static,
        R: Results + Lower + Send + 'static,
        S: FnMut(&mut WasiCtx) -> Result<Step<R>, Error> + Send + 'static,
    {
        interface
            .func_async::<P, R, _>(name, move |caller, params| {
                Box::pin(suspending(Calling { caller, get }, steps(params)))
            })
            .map(drop)
    }
}
