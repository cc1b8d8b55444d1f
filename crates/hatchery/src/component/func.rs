//! Exported functions, called with types known at compile time or at run time.

use super::abi::Abi;
use super::dynamic::Shape;
use super::host::Shapes;
use super::instance::Instance;
use super::layout::{MAX_FLAT_PARAMS, MAX_FLAT_RESULTS};
use super::mismatches::{fits, host_type};
use super::options::{Options, Passing, Table};
use super::passed::take_back;
use super::prepared::Prepared;
use super::traits::{
    Flat, FlatMut, Lift, Lower, Params, Place, Results, TypeCheck, param_words, spills_params, spills_results,
};
use super::types::FuncType;
use super::val::Val;
use crate::error::{Error, ErrorKind};
use hatchery_component::meta::ExportFunc;
use hatchery_image::abi::RawVal;
use hatchery_vm::{Access, Callee};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Values that a call of flat values needs room for, at most.
const MAX_WORDS: usize = MAX_FLAT_PARAMS;

/// A core function with its surroundings, resolved.
#[derive(Debug)]
pub(crate) struct Lifted {
    callee: Callee,
    post_return: Option<Callee>,
    abandon: Option<Callee>,
    options: Options,
    /// Whether a parameter has a borrow of a resource of others, of which the called instance must not keep any.
    borrows: bool,
}

impl Lifted {
    fn new<T: 'static>(prepared: &Prepared<T>, export: &ExportFunc, cx: TypeCheck<'_>) -> Result<Lifted, Error> {
        let resolver = prepared.resolver();
        let options = resolver.options(&export.options, cx.slots.into(), Passing::Parameters)?;
        Ok(Lifted {
            callee: resolver.callee(&export.core)?,
            post_return: export.post_return.as_ref().map(|function| resolver.callee(function)).transpose()?,
            abandon: export.abandon.as_ref().map(|function| resolver.callee(function)).transpose()?,
            borrows: options.handles.as_ref().is_some_and(Table::lends_others),
            options,
        })
    }

    #[inline(always)]
    fn abi<'a, T>(&'a self, access: Access<'a, T>) -> Result<Abi<'a>, Error> {
        Abi::new(access, &self.options)
    }

    /// Opens the scope of the call's borrows.
    #[inline(always)]
    fn begin(&self, cx: &mut Abi<'_>) -> Result<i32, Error> {
        match &self.options.handles {
            Some(table) if self.borrows => {
                let mut values = [RawVal::ZERO];
                cx.call(&table.begin_call, &mut values)?;
                Ok(values[0].get_i32())
            }
            _ => Ok(0),
        }
    }

    /// What follows when the results are read: `values` begin with what the function returned. They stay where they are, as
    /// reading all of a value of which the guest has just written a part would wait for that.
    #[inline(always)]
    fn finish(&self, cx: &mut Abi<'_>, scope: i32, values: &mut [RawVal]) -> Result<(), Error> {
        self.end(cx, scope)?;
        match &self.post_return {
            Some(post_return) => cx.call(post_return, values),
            None => Ok(()),
        }
    }

    /// Closes the scope of the call's borrows.
    #[inline(always)]
    fn end(&self, cx: &mut Abi<'_>, scope: i32) -> Result<(), Error> {
        match &self.options.handles {
            Some(table) if self.borrows => cx.call(&table.end_call, &mut [RawVal::from_i32(scope)]),
            _ => Ok(()),
        }
    }

    /// What follows when parameters cannot be passed: the host has again what it passed as owned handles. Where the component
    /// has borrowed ones by now, which it would keep, it is not used again.
    #[cold]
    #[inline(never)]
    fn undo(&self, cx: &mut Abi<'_>, scope: i32, error: Error) -> Error {
        if error.is_fatal() {
            return error;
        }
        let taken = self.options.handles.as_ref().map_or(Ok(()), |table| take_back(cx, table));
        let ended = taken.and_then(|()| self.end(cx, scope));
        let ended = ended.and_then(|()| match &self.abandon {
            Some(abandon) => cx.call(abandon, &mut []),
            None => Ok(()),
        });
        if ended.is_ok() { error } else { error.abandoning() }
    }
}

/// An exported function whose parameters are the tuple `P` and whose results are the tuple `R`.
pub struct TypedFunc<P, R> {
    lifted: Arc<Lifted>,
    types: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> Self {
        TypedFunc { lifted: self.lifted.clone(), types: PhantomData }
    }
}

impl<P, R> fmt::Debug for TypedFunc<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedFunc")
    }
}

impl<P, R> TypedFunc<P, R> {
    /// The function, which was checked to have these types.
    pub(crate) fn of(lifted: Arc<Lifted>) -> TypedFunc<P, R> {
        TypedFunc { lifted, types: PhantomData }
    }

    pub(crate) fn lifted(&self) -> &Arc<Lifted> {
        &self.lifted
    }
}

impl<P: Params + Lower, R: Results + Lift> TypedFunc<P, R> {
    pub(crate) fn new<T: 'static>(prepared: &Prepared<T>, export: &ExportFunc) -> Result<TypedFunc<P, R>, Error> {
        let ty = prepared.func_type(export)?;
        let mut cx = TypeCheck::new(prepared.bindings());
        if !fits::<P, R>(&ty, &mut cx) {
            let message =
                format!("the component's function is {ty}, and what was asked for is {}", host_type::<P, R>());
            return Err(Error::message(ErrorKind::Usage, message));
        }
        Ok(TypedFunc::of(Arc::new(Lifted::new(prepared, export, cx)?)))
    }

    /// Calls it.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again. When
    /// a parameter cannot be passed, such as a handle that was passed on before: then those before it are the host's again.
    ///
    /// # Panics
    ///
    /// When a host function that the guest called panicked, with its payload.
    #[inline]
    pub fn call<T: 'static>(&self, instance: &mut Instance<T>, params: P) -> Result<R, Error> {
        self.call_lent(instance, params)
    }

    /// As [`call`](TypedFunc::call), with parameters that borrow for shorter than those of this function's type, which
    /// are the same otherwise.
    ///
    /// # Errors
    ///
    /// As for [`call`](TypedFunc::call).
    ///
    /// # Panics
    ///
    /// As [`call`](TypedFunc::call).
    #[doc(hidden)]
    #[inline]
    pub fn call_lent<T: 'static, Q: Params + Lower>(&self, instance: &mut Instance<T>, params: Q) -> Result<R, Error> {
        const { assert!(P::ABI.is(&Q::ABI), "parameters are passed as the function's type says") };
        let access = instance.enter()?;
        let result = if const { param_words(Q::ABI) <= 1 } {
            self.call_in(access, [RawVal::ZERO; 1], &params)
        } else if const { param_words(Q::ABI) <= 4 } {
            self.call_in(access, [RawVal::ZERO; 4], &params)
        } else {
            self.call_in(access, [RawVal::ZERO; MAX_WORDS], &params)
        };
        instance.leave(result)
    }

    #[inline(always)]
    fn call_in<T, Q: Params + Lower, const N: usize>(
        &self,
        access: Access<'_, T>,
        mut values: [RawVal; N],
        params: &Q,
    ) -> Result<R, Error> {
        let lifted = &*self.lifted;
        let mut cx = lifted.abi(access)?;
        let scope = lifted.begin(&mut cx)?;
        if let Err(error) = lower_params(params, &mut cx, &mut values) {
            return Err(lifted.undo(&mut cx, scope, error));
        }
        cx.call(&lifted.callee, &mut values)?;
        let results = lift_results::<P, R>(&mut cx, &values)?;
        lifted.finish(&mut cx, scope, &mut values)?;
        Ok(results)
    }

    /// Calls it in a way that lets it be suspended by async host functions. Dropping the future while it is
    /// suspended cancels the call, and the instance is not used again.
    ///
    /// # Errors
    ///
    /// As for [`call`](TypedFunc::call).
    ///
    /// # Panics
    ///
    /// As [`call`](TypedFunc::call).
    pub async fn call_async<T: 'static>(&self, instance: &mut Instance<T>, params: P) -> Result<R, Error> {
        self.call_lent_async(instance, params).await
    }

    /// As [`call_async`](TypedFunc::call_async), with parameters as for [`call_lent`](TypedFunc::call_lent).
    ///
    /// # Errors
    ///
    /// As for [`call`](TypedFunc::call).
    ///
    /// # Panics
    ///
    /// As [`call`](TypedFunc::call).
    #[doc(hidden)]
    pub async fn call_lent_async<T: 'static, Q: Params + Lower>(
        &self,
        instance: &mut Instance<T>,
        params: Q,
    ) -> Result<R, Error> {
        const { assert!(P::ABI.is(&Q::ABI), "parameters are passed as the function's type says") };
        let mut access = instance.enter()?;
        let result = self.call_suspending(&mut access, params).await;
        instance.leave(result)
    }

    async fn call_suspending<T: 'static, Q: Params + Lower>(
        &self,
        access: &mut Access<'_, T>,
        params: Q,
    ) -> Result<R, Error> {
        let lifted = &*self.lifted;
        let mut values = vec![RawVal::ZERO; param_words(P::ABI).max(1)];
        let scope = {
            let mut cx = lifted.abi(access.reborrow())?;
            let scope = lifted.begin(&mut cx)?;
            lower_params(&params, &mut cx, &mut values).map_err(|error| lifted.undo(&mut cx, scope, error))?;
            scope
        };
        let mut values = access.reborrow().call_async(&lifted.callee, values).await.map_err(Error::from_call)?;
        values.resize(1, RawVal::ZERO);
        let mut cx = lifted.abi(access.reborrow())?;
        let results = lift_results::<P, R>(&mut cx, &values)?;
        lifted.finish(&mut cx, scope, &mut values)?;
        Ok(results)
    }
}

/// Passes parameters as flat values, or in memory that the guest allocates.
#[inline(always)]
fn lower_params<P: Lower>(params: &P, cx: &mut Abi<'_>, values: &mut [RawVal]) -> Result<(), Error> {
    if const { spills_params(P::ABI) } {
        let extent = P::ABI.extent(cx.is_wide());
        let at = cx.allocate(u64::from(extent.bytes), extent.align)?;
        cx.will_write(at, u64::from(extent.bytes))?;
        values[0] = RawVal::from_i64(at as i64);
        return params.store(cx, Place { at, handle: 0 });
    }
    params.lower(cx, &mut FlatMut::new(values, 0))
}

/// Takes results from a flat value, or from where that points to.
#[inline(always)]
fn lift_results<P: Params, R: Lift>(cx: &mut Abi<'_>, values: &[RawVal]) -> Result<R, Error> {
    let mut flat = Flat::new(values, P::ABI.handles);
    if const { spills_results(R::ABI) } {
        let at = flat.size(cx.is_wide());
        cx.check(at, R::ABI.extent(cx.is_wide()))?;
        return R::load(cx, Place { at, handle: P::ABI.handles });
    }
    R::lift(cx, &mut flat)
}

/// An exported function whose types are found out at run time.
#[derive(Clone)]
pub struct Func {
    inner: Arc<Inner>,
}

struct Inner {
    lifted: Lifted,
    ty: FuncType,
    shapes: Shapes,
}

impl fmt::Debug for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Func({})", self.inner.ty)
    }
}

impl Func {
    pub(crate) fn new<T: 'static>(prepared: &Prepared<T>, export: &ExportFunc) -> Result<Func, Error> {
        let ty = prepared.func_type(export)?;
        let mut cx = TypeCheck::new(prepared.bindings());
        let shapes = Shapes::new(&ty, &mut cx);
        let lifted = Lifted::new(prepared, export, cx)?;
        Ok(Func { inner: Arc::new(Inner { lifted, ty, shapes }) })
    }

    /// Its type.
    pub fn ty(&self) -> &FuncType {
        &self.inner.ty
    }

    /// Calls it with these parameters and gives its result, if its type has one.
    ///
    /// # Errors
    ///
    /// As for [`TypedFunc::call`], and when the parameters are of other types: then nothing was called.
    ///
    /// # Panics
    ///
    /// As [`TypedFunc::call`].
    pub fn call<T: 'static>(&self, instance: &mut Instance<T>, params: &[Val]) -> Result<Option<Val>, Error> {
        self.check(params)?;
        let access = instance.enter()?;
        let result = self.call_in(access, params);
        instance.leave(result)
    }

    /// Whether parameters are as many as the function takes, and of their types.
    fn check(&self, params: &[Val]) -> Result<(), Error> {
        let (wanted, given) = (self.inner.ty.params().len(), params.len());
        if wanted != given {
            let message = format!("the function takes {wanted} parameters, but {given} were given");
            return Err(Error::message(ErrorKind::Usage, message));
        }
        self.inner.shapes.params.accept_parts(params)
    }

    fn call_in<T>(&self, access: Access<'_, T>, params: &[Val]) -> Result<Option<Val>, Error> {
        let lifted = &self.inner.lifted;
        let mut cx = lifted.abi(access)?;
        let scope = lifted.begin(&mut cx)?;
        let mut values = [RawVal::ZERO; MAX_WORDS];
        self.lower(&mut cx, params, &mut values).map_err(|error| lifted.undo(&mut cx, scope, error))?;
        cx.call(&lifted.callee, &mut values)?;
        let result = self.lift(&mut cx, &values)?;
        lifted.finish(&mut cx, scope, &mut values)?;
        Ok(result)
    }

    /// Calls it in a way that lets it be suspended by async host functions. Dropping the future while it is
    /// suspended cancels the call, and the instance is not used again.
    ///
    /// # Errors
    ///
    /// As for [`call`](Func::call).
    ///
    /// # Panics
    ///
    /// As [`TypedFunc::call`].
    pub async fn call_async<T: 'static>(
        &self,
        instance: &mut Instance<T>,
        params: &[Val],
    ) -> Result<Option<Val>, Error> {
        self.check(params)?;
        let mut access = instance.enter()?;
        let result = self.call_suspending(&mut access, params).await;
        instance.leave(result)
    }

    async fn call_suspending<T: 'static>(
        &self,
        access: &mut Access<'_, T>,
        params: &[Val],
    ) -> Result<Option<Val>, Error> {
        let lifted = &self.inner.lifted;
        let mut values = vec![RawVal::ZERO; MAX_WORDS];
        let scope = {
            let mut cx = lifted.abi(access.reborrow())?;
            let scope = lifted.begin(&mut cx)?;
            self.lower(&mut cx, params, &mut values).map_err(|error| lifted.undo(&mut cx, scope, error))?;
            scope
        };
        let mut values = access.reborrow().call_async(&lifted.callee, values).await.map_err(Error::from_call)?;
        values.resize(1, RawVal::ZERO);
        let mut cx = lifted.abi(access.reborrow())?;
        let result = self.lift(&mut cx, &values)?;
        lifted.finish(&mut cx, scope, &mut values)?;
        Ok(result)
    }

    fn lower(&self, cx: &mut Abi<'_>, params: &[Val], values: &mut [RawVal]) -> Result<(), Error> {
        let shape = &self.inner.shapes.params;
        if shape.abi.flat > MAX_FLAT_PARAMS {
            let extent = shape.abi.extent(cx.is_wide());
            let at = cx.allocate(u64::from(extent.bytes), extent.align)?;
            values[0] = RawVal::from_i64(at as i64);
            return shape.store_parts(params, cx, at);
        }
        shape.lower_parts(params, cx, &mut FlatMut::new(values, 0))
    }

    fn lift(&self, cx: &mut Abi<'_>, values: &[RawVal]) -> Result<Option<Val>, Error> {
        let lift = |shape: &Shape| {
            let mut flat = Flat::new(values, 0);
            if shape.abi.flat > MAX_FLAT_RESULTS {
                let at = flat.size(cx.is_wide());
                cx.check(at, shape.abi.extent(cx.is_wide()))?;
                return shape.load(cx, at);
            }
            shape.lift(cx, &mut flat)
        };
        self.inner.shapes.result.as_ref().map(lift).transpose()
    }
}
