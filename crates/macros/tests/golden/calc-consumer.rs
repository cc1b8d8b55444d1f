const _: &[u8] = ::core::include_bytes!(
    "<crate>/../hatchery/tests/bindings/calc/calc.wit"
);
#[allow(unused_imports, reason = "not every interface has types")]
use super::ops as __With0;
/// The functions of a component for the world `consumer`, found once for all of its instances.
#[derive(::core::fmt::Debug, ::core::clone::Clone)]
pub struct Consumer {
    call_run_it: ::hatchery::component::TypedFunc<(u32,), (::std::string::String,)>,
}
impl Consumer {
    /// Finds the functions in a component.
    ///
    /// # Errors
    ///
    /// When the component does not export all of it, or with other types; the message names the functions and both types.
    pub fn new<T: 'static>(
        prepared: &::hatchery::component::Prepared<T>,
    ) -> ::core::result::Result<Consumer, ::hatchery::Error> {
        ::hatchery::component::macros::find(
            prepared,
            Self::check_exports,
            || {
                ::core::result::Result::Ok(Consumer {
                    call_run_it: prepared.func("run-it")?,
                })
            },
        )
    }
    /// Asks for all functions, so that a message can name those that are missing or have other types.
    #[doc(hidden)]
    pub fn check_exports(exports: &mut ::hatchery::component::macros::ExportCheck<'_>) {
        let _ = &exports;
        exports.func::<(u32,), (::std::string::String,)>("run-it");
    }
    /// Calls the function `run-it`.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub fn call_run_it<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
        n: u32,
    ) -> ::core::result::Result<::std::string::String, ::hatchery::Error> {
        let (result,) = self.call_run_it.call_lent(instance, (n,))?;
        ::core::result::Result::Ok(result)
    }
    /// As [`call_run_it`](Self::call_run_it), for hosts with async functions.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub async fn call_run_it_async<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
        n: u32,
    ) -> ::core::result::Result<::std::string::String, ::hatchery::Error> {
        let (result,) = self.call_run_it.call_lent_async(instance, (n,)).await?;
        ::core::result::Result::Ok(result)
    }
}
impl Consumer {
    /// Makes a component of the world `consumer` ready for instances and finds its functions: the place where all types are checked, those of imports and those of exports.
    ///
    /// # Errors
    ///
    /// When the linker lacks imports, the component lacks exports of the world, or any of them has another type: one message names all of them, and both types. Otherwise as for `Linker::prepare_with`.
    pub fn prepare<T: 'static>(
        linker: &::hatchery::component::Linker<T>,
        component: &::hatchery::component::Component,
    ) -> ::core::result::Result<
        (::hatchery::component::Prepared<T>, Consumer),
        ::hatchery::Error,
    > {
        Self::prepare_with(linker, component, ::hatchery::Limits::new())
    }
    /// As [`prepare`](Self::prepare), with limits for each instance.
    ///
    /// # Errors
    ///
    /// When the linker lacks imports, the component lacks exports of the world, or any of them has another type: one message names all of them, and both types. Otherwise as for `Linker::prepare_with`.
    pub fn prepare_with<T: 'static>(
        linker: &::hatchery::component::Linker<T>,
        component: &::hatchery::component::Component,
        limits: ::hatchery::Limits,
    ) -> ::core::result::Result<
        (::hatchery::component::Prepared<T>, Consumer),
        ::hatchery::Error,
    > {
        let prepared = ::hatchery::component::macros::prepare(
            linker,
            component,
            limits,
            Self::check_exports,
        )?;
        let world = Self::new(&prepared)?;
        ::core::result::Result::Ok((prepared, world))
    }
}
