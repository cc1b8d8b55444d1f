/// The enum `odd-imports`.
#[derive(
    ::core::fmt::Debug,
    ::core::clone::Clone,
    ::core::marker::Copy,
    ::core::cmp::PartialEq,
    ::core::cmp::Eq,
    ::core::hash::Hash,
    ::core::cmp::PartialOrd,
    ::core::cmp::Ord,
    ::hatchery::component::ComponentType,
    ::hatchery::component::Lift,
    ::hatchery::component::Lower
)]
pub enum OddImports_ {
    /// The case `one`.
    #[component(name = "one")]
    One,
}
/// The functions of a component for the world `odd`, found once for all of its instances.
#[derive(::core::fmt::Debug, ::core::clone::Clone)]
pub struct Odd {
    call_new: ::hatchery::component::TypedFunc<(), ()>,
    test_names_type: self::exports::test::names::r#type::Guest,
    prepare_: self::exports::prepare::Guest,
}
impl Odd {
    /// Finds the functions in a component.
    ///
    /// # Errors
    ///
    /// When the component does not export all of it, or with other types; the message names the functions and both types.
    pub fn new<T: 'static>(
        prepared: &::hatchery::component::Prepared<T>,
    ) -> ::core::result::Result<Odd, ::hatchery::Error> {
        ::hatchery::component::macros::find(
            prepared,
            Self::check_exports,
            || {
                ::core::result::Result::Ok(Odd {
                    call_new: prepared.func("new")?,
                    test_names_type: self::exports::test::names::r#type::Guest::new(
                        prepared,
                    )?,
                    prepare_: self::exports::prepare::Guest::new(prepared)?,
                })
            },
        )
    }
    /// Asks for all functions, so that a message can name those that are missing or have other types.
    #[doc(hidden)]
    pub fn check_exports(exports: &mut ::hatchery::component::macros::ExportCheck<'_>) {
        let _ = &exports;
        exports.func::<(), ()>("new");
        self::exports::test::names::r#type::Guest::check_exports(exports);
        self::exports::prepare::Guest::check_exports(exports);
    }
    /// Calls the function `new`.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub fn call_new<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
    ) -> ::core::result::Result<(), ::hatchery::Error> {
        let () = self.call_new.call_lent(instance, ())?;
        ::core::result::Result::Ok(())
    }
    /// As [`call_new`](Self::call_new), for hosts with async functions.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub async fn call_new_async<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
    ) -> ::core::result::Result<(), ::hatchery::Error> {
        let () = self.call_new.call_lent_async(instance, ()).await?;
        ::core::result::Result::Ok(())
    }
    /// The functions of `test:names/type`.
    pub fn test_names_type(&self) -> &self::exports::test::names::r#type::Guest {
        &self.test_names_type
    }
    /// The functions of `prepare`.
    pub fn prepare_(&self) -> &self::exports::prepare::Guest {
        &self.prepare_
    }
}
impl Odd {
    /// Makes a component of the world `odd` ready for instances and finds its functions: the place where all types are checked, those of imports and those of exports.
    ///
    /// # Errors
    ///
    /// When the linker lacks imports, the component lacks exports of the world, or any of them has another type: one message names all of them, and both types. Otherwise as for `Linker::prepare_with`.
    pub fn prepare<T: 'static>(
        linker: &::hatchery::component::Linker<T>,
        component: &::hatchery::component::Component,
    ) -> ::core::result::Result<
        (::hatchery::component::Prepared<T>, Odd),
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
        (::hatchery::component::Prepared<T>, Odd),
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
impl Odd {
    /// Adds everything that the world `odd` imports to a linker; `get` finds what does it in the host data.
    ///
    /// # Errors
    ///
    /// When the linker has some of it already.
    pub fn add_to_linker<T: 'static, H: self::test::names::r#type::Host + 'static>(
        linker: &mut ::hatchery::component::Linker<T>,
        get: impl ::core::ops::Fn(
            &mut T,
        ) -> &mut H + ::core::marker::Copy + ::core::marker::Send + ::core::marker::Sync + 'static,
    ) -> ::core::result::Result<(), ::hatchery::Error> {
        self::test::names::r#type::add_to_linker(linker, get)?;
        ::core::result::Result::Ok(())
    }
}
/// What is in `test`.
pub mod test {
    /// What is in `names`.
    pub mod names {
        /// The interface `test:names/type`.
        pub mod r#type {
            /// The enum `result`.
            #[derive(
                ::core::fmt::Debug,
                ::core::clone::Clone,
                ::core::marker::Copy,
                ::core::cmp::PartialEq,
                ::core::cmp::Eq,
                ::core::hash::Hash,
                ::core::cmp::PartialOrd,
                ::core::cmp::Ord,
                ::hatchery::component::ComponentType,
                ::hatchery::component::Lift,
                ::hatchery::component::Lower
            )]
            pub enum Result {
                /// The case `ok`.
                #[component(name = "ok")]
                Ok,
                /// The case `err`.
                #[component(name = "err")]
                Err,
                /// The case `self`.
                #[component(name = "self")]
                Self_,
            }
            /// The resource `guest`.
            #[derive(::core::fmt::Debug)]
            pub enum Guest {}
            /// What the host does with the resource `guest`.
            pub trait HostGuest {
                /// The function `guest.constructor`.
                fn constructor(
                    &mut self,
                    self_: Result,
                ) -> ::hatchery::component::Resource<Guest>;
                /// The function `guest.drop`.
                fn drop_(&mut self, self_: ::hatchery::component::Resource<Guest>) -> ();
                /// The function `guest.drop-async`.
                fn drop_async(
                    &mut self,
                    self_: ::hatchery::component::Resource<Guest>,
                    r#fn: ::core::option::Option<u8>,
                ) -> ();
                /// Gives up a `guest` that the guest owned and dropped.
                ///
                /// # Errors
                ///
                /// An error ends the guest's call, and the instance is not used again.
                fn drop(
                    &mut self,
                    resource: ::hatchery::component::Resource<Guest>,
                ) -> ::core::result::Result<(), ::hatchery::Error>;
            }
            /// What the host does for `test:names/type`.
            pub trait Host: HostGuest {
                /// The function `foo`.
                fn foo(&mut self, instance_: ::std::string::String) -> ();
                /// The function `foo-async`.
                fn foo_async(&mut self) -> ();
            }
            /// Adds `test:names/type` to a linker; `get` finds what does it in the host data.
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
                let mut interface = linker.instance("test:names/type")?;
                interface
                    .resource::<
                        Guest,
                    >(
                        "guest",
                        move |mut caller, resource| {
                            HostGuest::drop(get(caller.data_mut()), resource)
                        },
                    )?;
                interface
                    .func(
                        "[constructor]guest",
                        move |mut caller, (p0,): (Result,)| {
                            let host = get(caller.data_mut());
                            ::core::result::Result::Ok((
                                HostGuest::constructor(host, p0),
                            ))
                        },
                    )?;
                interface
                    .func(
                        "[method]guest.drop",
                        move |
                            mut caller,
                            (p0,): (::hatchery::component::Resource<Guest>,)|
                        {
                            let host = get(caller.data_mut());
                            HostGuest::drop_(host, p0);
                            ::core::result::Result::Ok(())
                        },
                    )?;
                interface
                    .func(
                        "[method]guest.drop-async",
                        move |
                            mut caller,
                            (
                                p0,
                                p1,
                            ): (
                                ::hatchery::component::Resource<Guest>,
                                ::core::option::Option<u8>,
                            )|
                        {
                            let host = get(caller.data_mut());
                            HostGuest::drop_async(host, p0, p1);
                            ::core::result::Result::Ok(())
                        },
                    )?;
                interface
                    .func(
                        "foo",
                        move |mut caller, (p0,): (::std::string::String,)| {
                            let host = get(caller.data_mut());
                            Host::foo(host, p0);
                            ::core::result::Result::Ok(())
                        },
                    )?;
                interface
                    .func(
                        "foo-async",
                        move |mut caller, (): ()| {
                            let host = get(caller.data_mut());
                            Host::foo_async(host);
                            ::core::result::Result::Ok(())
                        },
                    )?;
                ::core::result::Result::Ok(())
            }
        }
    }
}
/// What is in `exports`.
pub mod exports {
    /// What is in `test`.
    pub mod test {
        /// What is in `names`.
        pub mod names {
            /// The interface `test:names/type`.
            pub mod r#type {
                /// The enum `result`.
                #[derive(
                    ::core::fmt::Debug,
                    ::core::clone::Clone,
                    ::core::marker::Copy,
                    ::core::cmp::PartialEq,
                    ::core::cmp::Eq,
                    ::core::hash::Hash,
                    ::core::cmp::PartialOrd,
                    ::core::cmp::Ord,
                    ::hatchery::component::ComponentType,
                    ::hatchery::component::Lift,
                    ::hatchery::component::Lower
                )]
                pub enum Result {
                    /// The case `ok`.
                    #[component(name = "ok")]
                    Ok,
                    /// The case `err`.
                    #[component(name = "err")]
                    Err,
                    /// The case `self`.
                    #[component(name = "self")]
                    Self_,
                }
                /// The resource `guest`.
                pub type Guest_ = ::hatchery::component::ResourceAny;
                /// The functions of the resource `guest` of a component, found once for all of its instances.
                #[derive(::core::fmt::Debug, ::core::clone::Clone)]
                pub struct GuestGuest {
                    call_constructor: ::hatchery::component::TypedFunc<
                        (Result,),
                        (::hatchery::component::ResourceAny,),
                    >,
                    call_drop_: ::hatchery::component::TypedFunc<
                        (::hatchery::component::ResourceAny,),
                        (),
                    >,
                    call_drop_async: ::hatchery::component::TypedFunc<
                        (::hatchery::component::ResourceAny, ::core::option::Option<u8>),
                        (),
                    >,
                }
                impl GuestGuest {
                    /// Finds the functions in a component.
                    ///
                    /// # Errors
                    ///
                    /// When the component does not export all of it, or with other types; the message names the functions and both types.
                    pub fn new<T: 'static>(
                        prepared: &::hatchery::component::Prepared<T>,
                    ) -> ::core::result::Result<GuestGuest, ::hatchery::Error> {
                        ::hatchery::component::macros::find(
                            prepared,
                            Self::check_exports,
                            || {
                                ::core::result::Result::Ok(GuestGuest {
                                    call_constructor: prepared
                                        .func(("test:names/type", "[constructor]guest"))?,
                                    call_drop_: prepared
                                        .func(("test:names/type", "[method]guest.drop"))?,
                                    call_drop_async: prepared
                                        .func(("test:names/type", "[method]guest.drop-async"))?,
                                })
                            },
                        )
                    }
                    /// Asks for all functions, so that a message can name those that are missing or have other types.
                    #[doc(hidden)]
                    pub fn check_exports(
                        exports: &mut ::hatchery::component::macros::ExportCheck<'_>,
                    ) {
                        let _ = &exports;
                        exports
                            .func::<
                                (Result,),
                                (::hatchery::component::ResourceAny,),
                            >(("test:names/type", "[constructor]guest"));
                        exports
                            .func::<
                                (::hatchery::component::ResourceAny,),
                                (),
                            >(("test:names/type", "[method]guest.drop"));
                        exports
                            .func::<
                                (
                                    ::hatchery::component::ResourceAny,
                                    ::core::option::Option<u8>,
                                ),
                                (),
                            >(("test:names/type", "[method]guest.drop-async"));
                    }
                    /// Calls the function `guest.constructor`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_constructor<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        self_: Result,
                    ) -> ::core::result::Result<
                        ::hatchery::component::ResourceAny,
                        ::hatchery::Error,
                    > {
                        let (result,) = self
                            .call_constructor
                            .call_lent(instance, (self_,))?;
                        ::core::result::Result::Ok(result)
                    }
                    /// As [`call_constructor`](Self::call_constructor), for hosts with async functions.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub async fn call_constructor_async<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        self_: Result,
                    ) -> ::core::result::Result<
                        ::hatchery::component::ResourceAny,
                        ::hatchery::Error,
                    > {
                        let (result,) = self
                            .call_constructor
                            .call_lent_async(instance, (self_,))
                            .await?;
                        ::core::result::Result::Ok(result)
                    }
                    /// Calls the function `guest.drop`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_drop_<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        self_: ::hatchery::component::ResourceAny,
                    ) -> ::core::result::Result<(), ::hatchery::Error> {
                        let () = self.call_drop_.call_lent(instance, (self_,))?;
                        ::core::result::Result::Ok(())
                    }
                    /// As [`call_drop_`](Self::call_drop_), for hosts with async functions.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub async fn call_drop__async<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        self_: ::hatchery::component::ResourceAny,
                    ) -> ::core::result::Result<(), ::hatchery::Error> {
                        let () = self
                            .call_drop_
                            .call_lent_async(instance, (self_,))
                            .await?;
                        ::core::result::Result::Ok(())
                    }
                    /// Calls the function `guest.drop-async`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_drop_async<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        self_: ::hatchery::component::ResourceAny,
                        r#fn: ::core::option::Option<u8>,
                    ) -> ::core::result::Result<(), ::hatchery::Error> {
                        let () = self
                            .call_drop_async
                            .call_lent(instance, (self_, r#fn))?;
                        ::core::result::Result::Ok(())
                    }
                    /// As [`call_drop_async`](Self::call_drop_async), for hosts with async functions.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub async fn call_drop_async_async<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        self_: ::hatchery::component::ResourceAny,
                        r#fn: ::core::option::Option<u8>,
                    ) -> ::core::result::Result<(), ::hatchery::Error> {
                        let () = self
                            .call_drop_async
                            .call_lent_async(instance, (self_, r#fn))
                            .await?;
                        ::core::result::Result::Ok(())
                    }
                }
                /// The functions of `test:names/type` of a component, found once for all of its instances.
                #[derive(::core::fmt::Debug, ::core::clone::Clone)]
                pub struct Guest {
                    call_foo: ::hatchery::component::TypedFunc<(&'static str,), ()>,
                    call_foo_async_: ::hatchery::component::TypedFunc<(), ()>,
                    guest: GuestGuest,
                }
                impl Guest {
                    /// Finds the functions in a component.
                    ///
                    /// # Errors
                    ///
                    /// When the component does not export all of it, or with other types; the message names the functions and both types.
                    pub fn new<T: 'static>(
                        prepared: &::hatchery::component::Prepared<T>,
                    ) -> ::core::result::Result<Guest, ::hatchery::Error> {
                        ::hatchery::component::macros::find(
                            prepared,
                            Self::check_exports,
                            || {
                                ::core::result::Result::Ok(Guest {
                                    call_foo: prepared.func(("test:names/type", "foo"))?,
                                    call_foo_async_: prepared
                                        .func(("test:names/type", "foo-async"))?,
                                    guest: GuestGuest::new(prepared)?,
                                })
                            },
                        )
                    }
                    /// Asks for all functions, so that a message can name those that are missing or have other types.
                    #[doc(hidden)]
                    pub fn check_exports(
                        exports: &mut ::hatchery::component::macros::ExportCheck<'_>,
                    ) {
                        let _ = &exports;
                        exports.func::<(&'static str,), ()>(("test:names/type", "foo"));
                        exports.func::<(), ()>(("test:names/type", "foo-async"));
                        GuestGuest::check_exports(exports);
                    }
                    /// Calls the function `foo`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_foo<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        instance_: &str,
                    ) -> ::core::result::Result<(), ::hatchery::Error> {
                        let () = self.call_foo.call_lent(instance, (instance_,))?;
                        ::core::result::Result::Ok(())
                    }
                    /// As [`call_foo`](Self::call_foo), for hosts with async functions.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub async fn call_foo_async<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        instance_: &str,
                    ) -> ::core::result::Result<(), ::hatchery::Error> {
                        let () = self
                            .call_foo
                            .call_lent_async(instance, (instance_,))
                            .await?;
                        ::core::result::Result::Ok(())
                    }
                    /// Calls the function `foo-async`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_foo_async_<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                    ) -> ::core::result::Result<(), ::hatchery::Error> {
                        let () = self.call_foo_async_.call_lent(instance, ())?;
                        ::core::result::Result::Ok(())
                    }
                    /// As [`call_foo_async_`](Self::call_foo_async_), for hosts with async functions.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub async fn call_foo_async__async<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                    ) -> ::core::result::Result<(), ::hatchery::Error> {
                        let () = self
                            .call_foo_async_
                            .call_lent_async(instance, ())
                            .await?;
                        ::core::result::Result::Ok(())
                    }
                    /// The functions of the resource `guest`.
                    pub fn guest(&self) -> &GuestGuest {
                        &self.guest
                    }
                }
            }
        }
    }
    /// The interface `prepare`.
    pub mod prepare {
        /// The functions of `prepare` of a component, found once for all of its instances.
        #[derive(::core::fmt::Debug, ::core::clone::Clone)]
        pub struct Guest {
            call_f: ::hatchery::component::TypedFunc<(), ()>,
        }
        impl Guest {
            /// Finds the functions in a component.
            ///
            /// # Errors
            ///
            /// When the component does not export all of it, or with other types; the message names the functions and both types.
            pub fn new<T: 'static>(
                prepared: &::hatchery::component::Prepared<T>,
            ) -> ::core::result::Result<Guest, ::hatchery::Error> {
                ::hatchery::component::macros::find(
                    prepared,
                    Self::check_exports,
                    || {
                        ::core::result::Result::Ok(Guest {
                            call_f: prepared.func(("prepare", "f"))?,
                        })
                    },
                )
            }
            /// Asks for all functions, so that a message can name those that are missing or have other types.
            #[doc(hidden)]
            pub fn check_exports(
                exports: &mut ::hatchery::component::macros::ExportCheck<'_>,
            ) {
                let _ = &exports;
                exports.func::<(), ()>(("prepare", "f"));
            }
            /// Calls the function `f`.
            ///
            /// # Errors
            ///
            /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
            pub fn call_f<T: 'static>(
                &self,
                instance: &mut ::hatchery::component::Instance<T>,
            ) -> ::core::result::Result<(), ::hatchery::Error> {
                let () = self.call_f.call_lent(instance, ())?;
                ::core::result::Result::Ok(())
            }
            /// As [`call_f`](Self::call_f), for hosts with async functions.
            ///
            /// # Errors
            ///
            /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
            pub async fn call_f_async<T: 'static>(
                &self,
                instance: &mut ::hatchery::component::Instance<T>,
            ) -> ::core::result::Result<(), ::hatchery::Error> {
                let () = self.call_f.call_lent_async(instance, ()).await?;
                ::core::result::Result::Ok(())
            }
        }
    }
}
