//! Host functions: from closures over component types to functions of flat values.

use super::abi::Abi;
use super::caller::{Caller, may_go_on, run};
use super::dynamic::Shape;
use super::layout::{MAX_FLAT_PARAMS, MAX_FLAT_RESULTS, TypeAbi};
use super::mismatches::{fits, host_type};
use super::options::{Options, bug};
use super::state::HostState;
use super::traits::{
    Flat, FlatMut, Lift, Lower, Params, Place, Results, TypeCheck, param_words, spills_params, spills_results,
};
use super::types::{FuncType, Type};
use super::val::Val;
use crate::error::{Error, ErrorKind};
use crate::linker::HostFuture;
use hatchery_image::abi::RawVal;
use hatchery_vm::{HasReferences, HostContext, HostError, HostFunction, HostSignature};
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

/// How a function passes values: known when all of the component is prepared.
pub(crate) type OptionsCell = Arc<OnceLock<Options>>;

/// A function of a linker.
pub(crate) trait HostFunc<T>: Send + Sync {
    /// What stands for an import of this type, if it can.
    fn fit(self: Arc<Self>, ty: &FuncType, cx: &mut TypeCheck<'_>) -> Option<Box<dyn Fitting<T>>>;

    /// Its own type, for messages.
    fn ty(&self) -> String;
}

/// A function of a linker that stands for an import, whose type it fits.
pub(crate) trait Fitting<T> {
    /// The function of flat values for one way in which the import passes them.
    fn bind(&self, signature: HostSignature, options: OptionsCell) -> Result<HostFunction<T>, Error>;
}

#[inline(always)]
fn ready(options: &OptionsCell) -> Result<&Options, Error> {
    options.get().ok_or_else(too_early)
}

#[cold]
fn too_early() -> Error {
    bug("a host function was called before its component was prepared")
}

fn no_references(error: HasReferences) -> Error {
    Error::source_of(ErrorKind::Bug, error)
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

/// Borrows so far, where the function is lent some that end when it returns.
#[inline(always)]
fn begin_borrows<T>(host: &HostContext<'_, T>, options: &Options) -> Result<usize, Error> {
    if options.lent { HostState::of(host).map(HostState::mark) } else { Ok(0) }
}

/// Ends the borrows that came since. Where a call fails, the instance is not used again, and nothing needs to end.
#[inline(always)]
fn end_borrows<T>(host: &HostContext<'_, T>, options: &Options, mark: usize) -> Result<(), Error> {
    if options.lent { HostState::of(host).map(|state| state.end_borrows(mark)) } else { Ok(()) }
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
    fn fit(self: Arc<Self>, ty: &FuncType, cx: &mut TypeCheck<'_>) -> Option<Box<dyn Fitting<T>>> {
        if fits::<P, R>(ty, cx) { Some(Box::new(self)) } else { None }
    }

    fn ty(&self) -> String {
        host_type::<P, R>()
    }
}

impl<T, P, R, F> Fitting<T> for Arc<Typed<P, R, F>>
where
    T: 'static,
    P: Params + Lift + 'static,
    R: Results + Lower + 'static,
    F: Fn(Caller<'_, T>, P) -> Result<R, Error> + Send + Sync + 'static,
{
    fn bind(&self, signature: HostSignature, options: OptionsCell) -> Result<HostFunction<T>, Error> {
        let function = self.clone();
        let run = move |host: HostContext<'_, T>, values: &mut [RawVal]| -> Result<(), HostError> {
            Ok(function.call(host, ready(&options)?, values)?)
        };
        in_registers::<P, R, T>(signature, run).map_err(no_references)
    }
}

/// Flat parameters; where the results are in memory, where that is is one more.
const fn all_words(params: TypeAbi, results: TypeAbi) -> usize {
    param_words(params) + spills_results(results) as usize
}

/// A function of flat values, in registers where there are few.
fn in_registers<P: Params, R: Results, T: 'static>(
    signature: HostSignature,
    run: impl Fn(HostContext<'_, T>, &mut [RawVal]) -> Result<(), HostError> + Send + Sync + 'static,
) -> Result<HostFunction<T>, HasReferences> {
    // Each arm is compiled only for functions that are so.
    if const { all_words(P::ABI, R::ABI) == 0 } {
        HostFunction::in_registers::<0, _>(signature, run)
    } else if const { all_words(P::ABI, R::ABI) == 1 } {
        HostFunction::in_registers::<1, _>(signature, run)
    } else if const { all_words(P::ABI, R::ABI) == 2 } {
        HostFunction::in_registers::<2, _>(signature, run)
    } else if const { all_words(P::ABI, R::ABI) == 3 } {
        HostFunction::in_registers::<3, _>(signature, run)
    } else if const { all_words(P::ABI, R::ABI) == 4 } {
        HostFunction::in_registers::<4, _>(signature, run)
    } else {
        HostFunction::in_place(signature, run)
    }
}

impl<P, R, F> Typed<P, R, F> {
    #[inline(always)]
    fn call<T: 'static>(
        &self,
        mut host: HostContext<'_, T>,
        options: &Options,
        values: &mut [RawVal],
    ) -> Result<(), Error>
    where
        P: Params + Lift,
        R: Results + Lower,
        F: Fn(Caller<'_, T>, P) -> Result<R, Error>,
    {
        let mark = begin_borrows(&host, options)?;
        let mut cx = Abi::new(host.lend().into_access(), options)?;
        let params = lift_params(&mut cx, values)?;
        let results = run(host.lend(), |caller| (self.closure)(caller, params))?;
        end_borrows(&host, options, mark)?;
        let mut cx = Abi::new(host.into_access(), options)?;
        lower_results::<P, R>(&mut cx, &results, values)
    }
}

/// What a future results in, and what is needed to give it to the guest.
struct Output<R> {
    results: R,
    /// The flat parameters.
    params: Box<[RawVal]>,
    /// Borrows before the call.
    mark: usize,
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
    fn fit(self: Arc<Self>, ty: &FuncType, cx: &mut TypeCheck<'_>) -> Option<Box<dyn Fitting<T>>> {
        if fits::<P, R>(ty, cx) { Some(Box::new(self)) } else { None }
    }

    fn ty(&self) -> String {
        host_type::<P, R>()
    }
}

impl<T, P, R, F> Fitting<T> for Arc<Async<P, R, F>>
where
    T: 'static,
    P: Params + Lift + Send + 'static,
    R: Results + Lower + Send + 'static,
    F: for<'a> Fn(Caller<'a, T>, P) -> HostFuture<'a, R> + Send + Sync + 'static,
{
    fn bind(&self, signature: HostSignature, options: OptionsCell) -> Result<HostFunction<T>, Error> {
        let (function, end_options) = (self.clone(), options.clone());
        let end = move |host: HostContext<'_, T>, output: Output<R>, values: &mut [RawVal]| {
            end::<T, P, R>(host, &end_options, &output, values).map_err(HostError::from)
        };
        HostFunction::suspending(signature, move |host, values| function.future(host, &options, values), end)
            .map_err(no_references)
    }
}

impl<P: 'static, R: Send + 'static, F> Async<P, R, F> {
    /// The future of the results and of what is needed again.
    fn future<'a, T: 'static>(
        &self,
        host: HostContext<'a, T>,
        options: &OptionsCell,
        values: Box<[RawVal]>,
    ) -> hatchery_vm::HostFuture<'a, Output<R>>
    where
        P: Params + Lift,
        F: for<'b> Fn(Caller<'b, T>, P) -> HostFuture<'b, R>,
    {
        match self.begin(host, options, &values) {
            Ok((future, mark)) => Box::pin(async move { Ok(Output { results: future.await?, params: values, mark }) }),
            Err(error) => Box::pin(std::future::ready(Err(error.into()))),
        }
    }

    fn begin<'a, T: 'static>(
        &self,
        mut host: HostContext<'a, T>,
        options: &OptionsCell,
        values: &[RawVal],
    ) -> Result<(HostFuture<'a, R>, usize), Error>
    where
        P: Params + Lift,
        F: for<'b> Fn(Caller<'b, T>, P) -> HostFuture<'b, R>,
    {
        let options = ready(options)?;
        let mark = begin_borrows(&host, options)?;
        let mut cx = Abi::new(host.lend().into_access(), options)?;
        let params = lift_params(&mut cx, values)?;
        Ok(((self.closure)(Caller::of_future(host), params), mark))
    }
}

/// Gives the guest, whose stack runs again, what a future resulted in.
fn end<T: 'static, P: Params, R: Lower>(
    host: HostContext<'_, T>,
    options: &OptionsCell,
    output: &Output<R>,
    values: &mut [RawVal],
) -> Result<(), Error> {
    let options = ready(options)?;
    may_go_on(&host)?;
    end_borrows(&host, options, output.mark)?;
    let mut cx = Abi::new(host.into_access(), options)?;
    if spills_results(R::ABI) {
        // The pointer is behind the parameters, and there are no flat results.
        return lower_results::<P, R>(&mut cx, &output.results, &mut output.params.to_vec());
    }
    lower_results::<P, R>(&mut cx, &output.results, values)
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
    fn fit(self: Arc<Self>, ty: &FuncType, cx: &mut TypeCheck<'_>) -> Option<Box<dyn Fitting<T>>> {
        Some(Box::new(Arc::new(Interpreted { function: self, shapes: Shapes::new(ty, cx), ty: ty.clone() })))
    }

    fn ty(&self) -> String {
        "any".to_owned()
    }
}

/// A closure over dynamic values of an import's type.
struct Interpreted<F> {
    function: Arc<Dynamic<F>>,
    shapes: Shapes,
    ty: FuncType,
}

impl<T, F> Fitting<T> for Arc<Interpreted<F>>
where
    T: 'static,
    F: Fn(Caller<'_, T>, &FuncType, &[Val]) -> Result<Option<Val>, Error> + Send + Sync + 'static,
{
    fn bind(&self, signature: HostSignature, options: OptionsCell) -> Result<HostFunction<T>, Error> {
        let import = self.clone();
        let run = move |host: HostContext<'_, T>, values: &mut [RawVal]| -> Result<(), HostError> {
            Ok(import.function.call(host, ready(&options)?, &import.shapes, &import.ty, values)?)
        };
        HostFunction::in_place(signature, run).map_err(no_references)
    }
}

impl<F> Dynamic<F> {
    fn call<T: 'static>(
        &self,
        mut host: HostContext<'_, T>,
        options: &Options,
        shapes: &Shapes,
        ty: &FuncType,
        values: &mut [RawVal],
    ) -> Result<(), Error>
    where
        F: Fn(Caller<'_, T>, &FuncType, &[Val]) -> Result<Option<Val>, Error>,
    {
        let mark = begin_borrows(&host, options)?;
        let mut cx = Abi::new(host.lend().into_access(), options)?;
        let mut flat = Flat::new(values, 0);
        let params = if shapes.params.abi.flat > MAX_FLAT_PARAMS {
            let at = flat.size(options.wide);
            cx.check(at, shapes.params.abi.extent(options.wide))?;
            shapes.params.load(&mut cx, at)?
        } else {
            shapes.params.lift(&mut cx, &mut flat)?
        };
        let Val::Tuple(params) = params else { return Err(bug("parameters are no tuple")) };
        let result = run(host.lend(), |caller| (self.closure)(caller, ty, &params))?;
        end_borrows(&host, options, mark)?;
        let (shape, value) = match (&shapes.result, result) {
            (None, None) => return Ok(()),
            (Some(shape), Some(value)) => (shape, value),
            (Some(_), None) => return Err(Error::message(ErrorKind::Usage, "the host function returned no value")),
            (None, Some(_)) => return Err(Error::message(ErrorKind::Usage, "the host function returned a value")),
        };
        shape.accept(&value)?;
        let mut cx = Abi::new(host.into_access(), options)?;
        if shape.abi.flat > MAX_FLAT_RESULTS {
            let words = if shapes.params.abi.flat > MAX_FLAT_PARAMS { 1 } else { shapes.params.abi.flat };
            let at = result_pointer(values, words, options.wide);
            cx.check(at, shape.abi.extent(options.wide))?;
            return shape.store(&value, &mut cx, at);
        }
        shape.lower(&value, &mut cx, &mut FlatMut::new(values, 0))
    }
}
