//! Host functions: from closures over component types to functions of flat values.

use super::abi::Abi;
use super::caller::Caller;
use super::dynamic::Shape;
use super::layout::{MAX_FLAT_PARAMS, MAX_FLAT_RESULTS};
use super::options::{Options, bug};
use super::resource_any::HostState;
use super::traits::{
    Flat, FlatMut, Lift, Lower, Params, Place, Results, TypeCheck, param_words, spills_params, spills_results,
};
use super::types::{FuncType, Type};
use super::val::Val;
use crate::error::{Error, ErrorKind};
use crate::linker::HostFuture;
use hatchery_image::abi::RawVal;
use hatchery_vm::{HostContext, HostError, HostFunction, HostSignature};
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

/// What an instance of a component has of its host.
#[derive(Debug)]
pub struct Host<T> {
    pub(crate) data: T,
    pub(crate) state: Arc<HostState>,
}

/// How a function passes values: known when all of the component is prepared.
pub(crate) type OptionsCell = Arc<OnceLock<Options>>;

/// A function of a linker.
pub(crate) trait HostFunc<T>: Send + Sync {
    /// Whether it can stand for an import of this type.
    fn check(&self, ty: &FuncType, cx: &mut TypeCheck<'_>) -> bool;

    /// Its own type, for messages.
    fn ty(&self) -> String;

    /// The function of flat values for one way in which an import of a type that was checked passes them.
    fn bind(
        self: Arc<Self>,
        ty: &FuncType,
        signature: HostSignature,
        options: OptionsCell,
        cx: &mut TypeCheck<'_>,
    ) -> Result<HostFunction<Host<T>>, Error>;
}

fn ready(options: &OptionsCell) -> Result<&Options, Error> {
    options.get().ok_or_else(|| bug("a host function was called before its component was prepared"))
}

fn no_references(error: hatchery_vm::HasReferences) -> Error {
    Error::source_of(ErrorKind::Bug, error)
}

/// Whether parameters and results are those of an import.
fn check_types<P: Params, R: Results>(ty: &FuncType, cx: &mut TypeCheck<'_>) -> bool {
    let params: Vec<Type> = ty.params().map(|(_, ty)| ty).collect();
    P::check_all(&params, cx) && R::check_result(ty.result().as_ref(), cx)
}

fn rust_types<P, R>() -> String {
    format!("fn{} -> {}", std::any::type_name::<P>(), std::any::type_name::<R>())
}

/// Takes parameters from flat values, or from where the first of these points to.
#[inline(always)]
fn lift_params<P: Lift>(cx: &mut Abi<'_>, values: &[RawVal]) -> Result<P, Error> {
    let mut flat = Flat::new(values, 0);
    if const { spills_params(P::ABI) } {
        let at = flat.size(cx.is_wide());
        cx.check(at, P::ABI.extent(cx.is_wide()))?;
        return P::load(cx, Place { at, handle: 0 });
    }
    P::lift(cx, &mut flat)
}

/// Leaves results in flat values, or where the one behind the parameters points to.
#[inline(always)]
fn lower_results<P: Params, R: Lower>(cx: &mut Abi<'_>, results: &R, values: &mut [RawVal]) -> Result<(), Error> {
    let handle = P::ABI.handles;
    if const { spills_results(R::ABI) } {
        let at = result_pointer(values, param_words(P::ABI), cx.is_wide());
        cx.check(at, R::ABI.extent(cx.is_wide()))?;
        cx.will_write(at, u64::from(R::ABI.extent(cx.is_wide()).bytes))?;
        return results.store(cx, Place { at, handle });
    }
    results.lower(cx, &mut FlatMut::new(values, handle))
}

#[inline(always)]
fn result_pointer(values: &[RawVal], at: usize, wide: bool) -> u64 {
    Flat { words: values, at, handle: 0 }.size(wide)
}

/// Handles that the host got during a call, of which it may keep only what it owns.
struct Borrows(Option<(Arc<HostState>, u64)>);

impl Borrows {
    #[inline(always)]
    fn begin<T: 'static>(host: &HostContext<'_, Host<T>>, options: &Options) -> Borrows {
        Borrows(options.handles.as_ref().map(|_| {
            let state = host.data().state.clone();
            let mark = state.mark();
            (state, mark)
        }))
    }
}

impl Drop for Borrows {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some((state, mark)) = &self.0 {
            state.end_borrows(*mark);
        }
    }
}

fn state_of<T>(host: &Host<T>) -> Arc<HostState> {
    host.state.clone()
}

/// A closure whose types the compiler knows.
pub(crate) struct Typed<P, R, F> {
    pub(crate) closure: F,
    pub(crate) types: PhantomData<fn(P) -> R>,
}

impl<T, P, R, F> HostFunc<T> for Typed<P, R, F>
where
    T: 'static,
    P: Params + Lift + 'static,
    R: Results + Lower + 'static,
    F: Fn(Caller<'_, T>, P) -> Result<R, Error> + Send + Sync + 'static,
{
    fn check(&self, ty: &FuncType, cx: &mut TypeCheck<'_>) -> bool {
        check_types::<P, R>(ty, cx)
    }

    fn ty(&self) -> String {
        rust_types::<P, R>()
    }

    fn bind(
        self: Arc<Self>,
        _: &FuncType,
        signature: HostSignature,
        options: OptionsCell,
        _: &mut TypeCheck<'_>,
    ) -> Result<HostFunction<Host<T>>, Error> {
        let run = move |host: HostContext<'_, Host<T>>, values: &mut [RawVal]| -> Result<(), HostError> {
            Ok(self.call(host, ready(&options)?, values)?)
        };
        HostFunction::in_place(signature, run).map_err(no_references)
    }
}

impl<P, R, F> Typed<P, R, F> {
    #[inline(always)]
    fn call<T: 'static>(
        &self,
        mut host: HostContext<'_, Host<T>>,
        options: &Options,
        values: &mut [RawVal],
    ) -> Result<(), Error>
    where
        P: Params + Lift,
        R: Results + Lower,
        F: Fn(Caller<'_, T>, P) -> Result<R, Error>,
    {
        let borrows = Borrows::begin(&host, options);
        let mut cx = Abi::new(host.lend().into_access(), options, state_of)?;
        let params = lift_params(&mut cx, values)?;
        let results = (self.closure)(Caller::new(host.lend()), params)?;
        drop(borrows);
        let mut cx = Abi::new(host.into_access(), options, state_of)?;
        lower_results::<P, R>(&mut cx, &results, values)
    }
}

/// A closure that returns a future.
pub(crate) struct Async<P, R, F> {
    pub(crate) closure: F,
    pub(crate) types: PhantomData<fn(P) -> R>,
}

impl<T, P, R, F> HostFunc<T> for Async<P, R, F>
where
    T: 'static,
    P: Params + Lift + Send + 'static,
    R: Results + Lower + Send + 'static,
    F: for<'a> Fn(Caller<'a, T>, P) -> HostFuture<'a, R> + Send + Sync + 'static,
{
    fn check(&self, ty: &FuncType, cx: &mut TypeCheck<'_>) -> bool {
        check_types::<P, R>(ty, cx)
    }

    fn ty(&self) -> String {
        rust_types::<P, R>()
    }

    fn bind(
        self: Arc<Self>,
        _: &FuncType,
        signature: HostSignature,
        options: OptionsCell,
        _: &mut TypeCheck<'_>,
    ) -> Result<HostFunction<Host<T>>, Error> {
        let end_options = options.clone();
        let end =
            move |host: HostContext<'_, Host<T>>, (results, params): (R, Box<[RawVal]>), values: &mut [RawVal]| {
                end::<T, P, R>(host, &end_options, &results, &params, values).map_err(HostError::from)
            };
        HostFunction::suspending(signature, move |host, values| self.future(host, &options, values), end)
            .map_err(no_references)
    }
}

impl<P: 'static, R: Send + 'static, F> Async<P, R, F> {
    /// The future of the results, and of the flat parameters, which are needed again.
    fn future<'a, T: 'static>(
        &self,
        host: HostContext<'a, Host<T>>,
        options: &OptionsCell,
        values: Box<[RawVal]>,
    ) -> hatchery_vm::HostFuture<'a, (R, Box<[RawVal]>)>
    where
        P: Params + Lift,
        F: for<'b> Fn(Caller<'b, T>, P) -> HostFuture<'b, R>,
    {
        match self.begin(host, options, &values) {
            Ok((future, borrows)) => Box::pin(async move {
                let results = future.await?;
                drop(borrows);
                Ok((results, values))
            }),
            Err(error) => Box::pin(std::future::ready(Err(error.into()))),
        }
    }

    fn begin<'a, T: 'static>(
        &self,
        mut host: HostContext<'a, Host<T>>,
        options: &OptionsCell,
        values: &[RawVal],
    ) -> Result<(HostFuture<'a, R>, Borrows), Error>
    where
        P: Params + Lift,
        F: for<'b> Fn(Caller<'b, T>, P) -> HostFuture<'b, R>,
    {
        let options = ready(options)?;
        let borrows = Borrows::begin(&host, options);
        let mut cx = Abi::new(host.lend().into_access(), options, state_of)?;
        let params = lift_params(&mut cx, values)?;
        Ok(((self.closure)(Caller::new(host), params), borrows))
    }
}

/// Gives the guest, whose stack runs again, what a future resulted in.
fn end<T: 'static, P: Params, R: Lower>(
    host: HostContext<'_, Host<T>>,
    options: &OptionsCell,
    results: &R,
    params: &[RawVal],
    values: &mut [RawVal],
) -> Result<(), Error> {
    let mut cx = Abi::new(host.into_access(), ready(options)?, state_of)?;
    if spills_results(R::ABI) {
        // The pointer is behind the parameters, and there are no flat results.
        return lower_results::<P, R>(&mut cx, results, &mut params.to_vec());
    }
    lower_results::<P, R>(&mut cx, results, values)
}

/// A closure over dynamic values.
pub(crate) struct Dynamic<F> {
    pub(crate) closure: F,
}

/// Parameters and result of a function, ready to be interpreted.
#[derive(Debug)]
pub(crate) struct Shapes {
    pub(crate) params: Shape,
    pub(crate) result: Option<Shape>,
}

impl Shapes {
    pub(crate) fn new(ty: &FuncType, cx: &mut TypeCheck<'_>) -> Shapes {
        let params: Vec<Type> = ty.params().map(|(_, ty)| ty).collect();
        let params = Shape::tuple(&params, cx);
        Shapes { params, result: ty.result().map(|ty| Shape::new(&ty, cx)) }
    }
}

impl<T, F> HostFunc<T> for Dynamic<F>
where
    T: 'static,
    F: Fn(Caller<'_, T>, &FuncType, &[Val]) -> Result<Option<Val>, Error> + Send + Sync + 'static,
{
    fn check(&self, _: &FuncType, _: &mut TypeCheck<'_>) -> bool {
        true
    }

    fn ty(&self) -> String {
        "any".to_owned()
    }

    fn bind(
        self: Arc<Self>,
        ty: &FuncType,
        signature: HostSignature,
        options: OptionsCell,
        cx: &mut TypeCheck<'_>,
    ) -> Result<HostFunction<Host<T>>, Error> {
        let (shapes, ty) = (Shapes::new(ty, cx), ty.clone());
        let run = move |host: HostContext<'_, Host<T>>, values: &mut [RawVal]| -> Result<(), HostError> {
            Ok(self.call(host, ready(&options)?, &shapes, &ty, values)?)
        };
        HostFunction::in_place(signature, run).map_err(no_references)
    }
}

impl<F> Dynamic<F> {
    fn call<T: 'static>(
        &self,
        mut host: HostContext<'_, Host<T>>,
        options: &Options,
        shapes: &Shapes,
        ty: &FuncType,
        values: &mut [RawVal],
    ) -> Result<(), Error>
    where
        F: Fn(Caller<'_, T>, &FuncType, &[Val]) -> Result<Option<Val>, Error>,
    {
        let borrows = Borrows::begin(&host, options);
        let mut cx = Abi::new(host.lend().into_access(), options, state_of)?;
        let mut flat = Flat::new(values, 0);
        let params = if shapes.params.abi.flat > MAX_FLAT_PARAMS {
            let at = flat.size(options.wide);
            cx.check(at, shapes.params.abi.extent(options.wide))?;
            shapes.params.load(&mut cx, at)?
        } else {
            shapes.params.lift(&mut cx, &mut flat)?
        };
        let Val::Tuple(params) = params else { return Err(bug("parameters are no tuple")) };
        let result = (self.closure)(Caller::new(host.lend()), ty, &params)?;
        drop(borrows);
        let (shape, value) = match (&shapes.result, result) {
            (None, None) => return Ok(()),
            (Some(shape), Some(value)) => (shape, value),
            (Some(_), None) => return Err(Error::message(ErrorKind::Usage, "the host function returned no value")),
            (None, Some(_)) => return Err(Error::message(ErrorKind::Usage, "the host function returned a value")),
        };
        let mut cx = Abi::new(host.into_access(), options, state_of)?;
        if shape.abi.flat > MAX_FLAT_RESULTS {
            let words = if shapes.params.abi.flat > MAX_FLAT_PARAMS { 1 } else { shapes.params.abi.flat };
            let at = result_pointer(values, words, options.wide);
            cx.check(at, shape.abi.extent(options.wide))?;
            return shape.store(&value, &mut cx, at);
        }
        shape.lower(&value, &mut cx, &mut FlatMut::new(values, 0))
    }
}
