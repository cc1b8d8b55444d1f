//! Guest functions, called with types known at compile time or at run time.

use crate::context::AsContext;
use crate::convert;
use crate::error::{Error, ErrorKind};
use crate::raw;
use crate::typed::WasmValues;
use crate::val::{FuncRef, FuncType, Val, ValType};
use hatchery_image::abi::{PackedFuncRef, RawVal};
use hatchery_vm::{Access, Callee};
use std::fmt;
use std::marker::PhantomData;

/// A function of a guest: an export, or what a [`FuncRef`] refers to. It can be called in every instance of
/// the same [`Prepared`](crate::Prepared).
#[derive(Clone, Copy)]
pub struct Func {
    pub(crate) callee: Callee,
}

impl Func {
    /// The function behind a reference.
    ///
    /// # Errors
    ///
    /// When the reference is of another module.
    pub fn from_ref(mut cx: impl AsContext, reference: FuncRef) -> Result<Func, Error> {
        let access = cx.access();
        Func::find(&access, PackedFuncRef(raw::func_word(&access, reference)?))
    }

    pub(crate) fn find<T: 'static>(access: &Access<'_, T>, word: PackedFuncRef) -> Result<Func, Error> {
        let callee = access.callee(word).map_err(|e| Error::source_of(ErrorKind::Usage, e))?;
        Ok(Func { callee })
    }

    /// Whether it is one of this instance's module.
    fn check<T>(&self, access: &Access<'_, T>) -> Result<(), Error> {
        access.check(&self.callee).map_err(Error::from_call)
    }

    /// Its type.
    ///
    /// # Errors
    ///
    /// When it is of another module.
    pub fn ty(&self, mut cx: impl AsContext) -> Result<FuncType, Error> {
        let access = cx.access();
        self.check(&access)?;
        Ok(convert::func_type(access.image().types().get(self.callee.ty())))
    }

    /// The same function with types that the compiler knows.
    ///
    /// # Errors
    ///
    /// When it is of another module, or its type is another; then the message has both.
    pub fn typed<P: WasmValues, R: WasmValues>(&self, mut cx: impl AsContext) -> Result<TypedFunc<P, R>, Error> {
        let access = cx.access();
        self.check(&access)?;
        let found = access.image().types().get(self.callee.ty());
        if !convert::are_types(&found.params, P::TYPES) || !convert::are_types(&found.results, R::TYPES) {
            let found = convert::func_type(found);
            let wanted = FuncType::new(P::TYPES.iter().copied(), R::TYPES.iter().copied());
            let message = format!("the function has the type {found}, but {wanted} was asked for");
            return Err(Error::message(ErrorKind::Usage, message));
        }
        Ok(TypedFunc { callee: self.callee, types: PhantomData })
    }

    /// Calls it with these parameters and gives its results.
    ///
    /// # Errors
    ///
    /// When it is of another module, the parameters are of other types, the guest traps, or a host function fails. The
    /// instance stays usable.
    ///
    /// # Panics
    ///
    /// When a host function that the guest called panicked, with its payload.
    pub fn call_dynamic(&self, mut cx: impl AsContext, params: &[Val]) -> Result<Vec<Val>, Error> {
        let mut access = cx.access();
        let mut values = self.lower(&access, params)?;
        access.call(&self.callee, &mut values).map_err(Error::from_call)?;
        Ok(self.lift(&access, &values))
    }

    /// Calls it in a way that lets it be suspended by async host functions. Dropping the future while it is
    /// suspended cancels the call.
    ///
    /// # Errors
    ///
    /// As for [`call_dynamic`](Func::call_dynamic).
    pub async fn call_dynamic_async<C: AsContext>(&self, cx: &mut C, params: &[Val]) -> Result<Vec<Val>, Error> {
        let values = self.lower(&cx.access(), params)?;
        let values = cx.access().call_async(&self.callee, values).await.map_err(Error::from_call)?;
        Ok(self.lift(&cx.access(), &values))
    }

    /// The values of a call, with these parameters.
    pub(crate) fn lower<T: 'static>(&self, access: &Access<'_, T>, params: &[Val]) -> Result<Vec<RawVal>, Error> {
        self.check(access)?;
        let image = access.image();
        let ty = image.types().get(self.callee.ty());
        if params.len() != ty.params.len() {
            let message = format!("the function takes {} parameters, but {} were given", ty.params.len(), params.len());
            return Err(Error::message(ErrorKind::Usage, message));
        }
        let mut values = vec![RawVal::ZERO; ty.params.len().max(ty.results.len())];
        for (i, (value, param)) in values.iter_mut().zip(params).enumerate() {
            *value = raw::lower(access, ty.params[i], param).map_err(|e| e.context(format!("parameter {i}")))?;
        }
        Ok(values)
    }

    /// The results of a call.
    pub(crate) fn lift<T: 'static>(&self, access: &Access<'_, T>, values: &[RawVal]) -> Vec<Val> {
        let ty = access.image().types().get(self.callee.ty());
        ty.results.iter().zip(values).map(|(ty, value)| raw::lift(access, *ty, *value)).collect()
    }
}

impl fmt::Debug for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Func")
    }
}

/// A function whose parameters are `P` and whose results are `R`.
pub struct TypedFunc<P, R> {
    callee: Callee,
    types: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for TypedFunc<P, R> {}

impl<P, R> fmt::Debug for TypedFunc<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedFunc")
    }
}

impl<P: WasmValues, R: WasmValues> TypedFunc<P, R> {
    /// Calls it.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails. The instance stays usable.
    ///
    /// # Panics
    ///
    /// When a host function that the guest called panicked, with its payload.
    #[inline]
    pub fn call(&self, mut cx: impl AsContext, params: P) -> Result<R, Error> {
        let mut access = cx.access();
        if const { P::TYPES.len() >= R::TYPES.len() } {
            self.call_in(&mut access, P::buffer(), params)
        } else {
            self.call_in(&mut access, R::buffer(), params)
        }
    }

    /// Calls it with this room for parameters and results.
    #[inline(always)]
    fn call_in<T>(&self, access: &mut Access<'_, T>, mut buffer: impl AsMut<[RawVal]>, params: P) -> Result<R, Error> {
        let values = buffer.as_mut();
        params.store(values);
        match access.call(&self.callee, values) {
            Ok(()) => Ok(R::load(values)),
            Err(error) => Err(Error::from_call(error)),
        }
    }

    /// Calls it in a way that lets it be suspended by async host functions. Dropping the future while it is
    /// suspended cancels the call.
    ///
    /// # Errors
    ///
    /// As for [`call`](TypedFunc::call).
    pub async fn call_async<C: AsContext>(&self, cx: &mut C, params: P) -> Result<R, Error> {
        let mut values = vec![RawVal::ZERO; P::TYPES.len().max(R::TYPES.len())];
        if !values.is_empty() {
            params.store(&mut values);
        }
        let values = cx.access().call_async(&self.callee, values).await.map_err(Error::from_call)?;
        Ok(R::load(&values))
    }

    /// The same function, whose types are found out at run time.
    pub fn func(&self) -> Func {
        Func { callee: self.callee }
    }
}

/// Types by name, for messages.
pub(crate) fn is_same(ty: ValType, value: &Val) -> bool {
    matches!(
        (ty, value),
        (ValType::I32, Val::I32(_))
            | (ValType::I64, Val::I64(_))
            | (ValType::F32, Val::F32(_))
            | (ValType::F64, Val::F64(_))
            | (ValType::V128, Val::V128(_))
            | (ValType::FuncRef | ValType::TypedFuncRef, Val::FuncRef(_))
            | (ValType::ExternRef | ValType::NonNullExternRef, Val::ExternRef(_))
    )
}
