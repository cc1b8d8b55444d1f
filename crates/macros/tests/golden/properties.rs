/// The functions of a component for the world `properties`, found once for all of its instances.
#[derive(::core::fmt::Debug, ::core::clone::Clone)]
pub struct Properties {
    call_level: ::hatchery::component::TypedFunc<(), (u32,)>,
    call_set_level: ::hatchery::component::TypedFunc<(u32,), ()>,
}
impl Properties {
    /// Finds the functions in a component.
    ///
    /// # Errors
    ///
    /// When the component does not export all of it, or with other types; the message names the functions and both types.
    pub fn new<T: 'static>(
        prepared: &::hatchery::component::Prepared<T>,
    ) -> ::core::result::Result<Properties, ::hatchery::Error> {
        ::hatchery::component::macros::find(
            prepared,
            Self::check_exports,
            || {
                ::core::result::Result::Ok(Properties {
                    call_level: prepared.func("[get]level")?,
                    call_set_level: prepared.func("[set]level")?,
                })
            },
        )
    }
    /// Asks for all functions, so that a message can name those that are missing or have other types.
    #[doc(hidden)]
    pub fn check_exports(exports: &mut ::hatchery::component::macros::ExportCheck<'_>) {
        let _ = &exports;
        exports.func::<(), (u32,)>("[get]level");
        exports.func::<(u32,), ()>("[set]level");
    }
    /// Calls the function `level`.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub fn call_level<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
    ) -> ::core::result::Result<u32, ::hatchery::Error> {
        let (result,) = self.call_level.call_lent(instance, ())?;
        ::core::result::Result::Ok(result)
    }
    /// As [`call_level`](Self::call_level), for hosts with async functions.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub async fn call_level_async<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
    ) -> ::core::result::Result<u32, ::hatchery::Error> {
        let (result,) = self.call_level.call_lent_async(instance, ()).await?;
        ::core::result::Result::Ok(result)
    }
    /// Calls the function `level`.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub fn call_set_level<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
        value: u32,
    ) -> ::core::result::Result<(), ::hatchery::Error> {
        let () = self.call_set_level.call_lent(instance, (value,))?;
        ::core::result::Result::Ok(())
    }
    /// As [`call_set_level`](Self::call_set_level), for hosts with async functions.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub async fn call_set_level_async<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
        value: u32,
    ) -> ::core::result::Result<(), ::hatchery::Error> {
        let () = self.call_set_level.call_lent_async(instance, (value,)).await?;
        ::core::result::Result::Ok(())
    }
}
impl Properties {
    /// Makes a component of the world `properties` ready for instances and finds its functions: the place where all types are checked, those of imports and those of exports.
    ///
    /// # Errors
    ///
    /// When the linker lacks imports, the component lacks exports of the world, or any of them has another type: one message names all of them, and both types. Otherwise as for `Linker::prepare_with`.
    pub fn prepare<T: 'static>(
        linker: &::hatchery::component::Linker<T>,
        component: &::hatchery::component::Component,
    ) -> ::core::result::Result<
        (::hatchery::component::Prepared<T>, Properties),
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
        (::hatchery::component::Prepared<T>, Properties),
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
impl Properties {
    /// Adds everything that the world `properties` imports to a linker; `get` finds what does it in the host data.
    ///
    /// # Errors
    ///
    /// When the linker has some of it already.
    pub fn add_to_linker<T: 'static, H: self::test::properties::knobs::Host + 'static>(
        linker: &mut ::hatchery::component::Linker<T>,
        get: impl ::core::ops::Fn(
            &mut T,
        ) -> &mut H + ::core::marker::Copy + ::core::marker::Send + ::core::marker::Sync + 'static,
    ) -> ::core::result::Result<(), ::hatchery::Error> {
        self::test::properties::knobs::add_to_linker(linker, get)?;
        ::core::result::Result::Ok(())
    }
}
/// What is in `test`.
pub mod test {
    /// What is in `properties`.
    pub mod properties {
        /// The interface `test:properties/knobs`.
        pub mod knobs {
            /// The resource `knob`.
            #[derive(::core::fmt::Debug)]
            pub enum Knob {}
            /// What the host does with the resource `knob`.
            pub trait HostKnob {
                /// The function `knob.angle`.
                fn angle(&mut self, self_: ::hatchery::component::Resource<Knob>) -> f32;
                /// The function `knob.angle`.
                fn set_angle(
                    &mut self,
                    self_: ::hatchery::component::Resource<Knob>,
                    value: f32,
                ) -> ::core::result::Result<(), ()>;
                /// The function `knob.count`.
                fn count(&mut self) -> u8;
                /// Gives up a `knob` that the guest owned and dropped.
                ///
                /// # Errors
                ///
                /// An error ends the guest's call, and the instance is not used again.
                fn drop(
                    &mut self,
                    resource: ::hatchery::component::Resource<Knob>,
                ) -> ::core::result::Result<(), ::hatchery::Error>;
            }
            /// What the host does for `test:properties/knobs`.
            pub trait Host: HostKnob {}
            /// Adds `test:properties/knobs` to a linker; `get` finds what does it in the host data.
            ///
            /// # Errors
            ///
            /// When the linker has some of it already.
            pub fn add_to_linker<T: 'static, H: Host + 'static>(
                linker: &mut ::hatchery::component::Linker<T>,
                get: impl ::core::ops::Fn(
                    &mut T,
                ) -> &mut H + ::core::marker::Copy + ::core::marker::Send + ::core::marker::Sync + 'static,
            ) -> ::core::result::Result<(), ::hatchery::Error> {
                let mut interface = linker.instance("test:properties/knobs")?;
                interface
                    .resource::<
                        Knob,
                    >(
                        "knob",
                        move |mut caller, resource| {
                            HostKnob::drop(get(caller.data_mut()), resource)
                        },
                    )?;
                interface
                    .func(
                        "[method][get]knob.angle",
                        move |
                            mut caller,
                            (p0,): (::hatchery::component::Resource<Knob>,)|
                        {
                            let host = get(caller.data_mut());
                            ::core::result::Result::Ok((HostKnob::angle(host, p0),))
                        },
                    )?;
                interface
                    .func(
                        "[method][set]knob.angle",
                        move |
                            mut caller,
                            (p0, p1): (::hatchery::component::Resource<Knob>, f32)|
                        {
                            let host = get(caller.data_mut());
                            ::core::result::Result::Ok((
                                HostKnob::set_angle(host, p0, p1),
                            ))
                        },
                    )?;
                interface
                    .func(
                        "[static][get]knob.count",
                        move |mut caller, (): ()| {
                            let host = get(caller.data_mut());
                            ::core::result::Result::Ok((HostKnob::count(host),))
                        },
                    )?;
                ::core::result::Result::Ok(())
            }
        }
    }
}
