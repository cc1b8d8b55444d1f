/// The functions of a component for the world `versions`, found once for all of its instances.
#[derive(::core::fmt::Debug, ::core::clone::Clone)]
pub struct Versions {
    test_a0_2_0_b: self::exports::test::a0_2_0::b::Guest,
}
impl Versions {
    /// Finds the functions in a component.
    ///
    /// # Errors
    ///
    /// When the component does not export all of it, or with other types; the message names the functions and both types.
    pub fn new<T: 'static>(
        prepared: &::hatchery::component::Prepared<T>,
    ) -> ::core::result::Result<Versions, ::hatchery::Error> {
        ::hatchery::component::macros::find(
            prepared,
            Self::check_exports,
            || {
                ::core::result::Result::Ok(Versions {
                    test_a0_2_0_b: self::exports::test::a0_2_0::b::Guest::new(prepared)?,
                })
            },
        )
    }
    /// Asks for all functions, so that a message can name those that are missing or have other types.
    #[doc(hidden)]
    pub fn check_exports(exports: &mut ::hatchery::component::macros::ExportCheck<'_>) {
        let _ = &exports;
        self::exports::test::a0_2_0::b::Guest::check_exports(exports);
    }
    /// The functions of `test:a/b@0.2.0`.
    pub fn test_a0_2_0_b(&self) -> &self::exports::test::a0_2_0::b::Guest {
        &self.test_a0_2_0_b
    }
}
impl Versions {
    /// Makes a component of the world `versions` ready for instances and finds its functions: the place where all types are checked, those of imports and those of exports.
    ///
    /// # Errors
    ///
    /// When the linker lacks imports, the component lacks exports of the world, or any of them has another type: one message names all of them, and both types. Otherwise as for `Linker::prepare_with`.
    pub fn prepare<T: 'static>(
        linker: &::hatchery::component::Linker<T>,
        component: &::hatchery::component::Component,
    ) -> ::core::result::Result<
        (::hatchery::component::Prepared<T>, Versions),
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
        (::hatchery::component::Prepared<T>, Versions),
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
impl Versions {
    /// Adds everything that the world `versions` imports to a linker; `get` finds what does it in the host data.
    ///
    /// # Errors
    ///
    /// When the linker has some of it already.
    pub fn add_to_linker<
        T: 'static,
        H: self::test::a0_1_0::b::Host + self::test::a0_2_0::b::Host + 'static,
    >(
        linker: &mut ::hatchery::component::Linker<T>,
        get: impl ::core::ops::Fn(
            &mut T,
        ) -> &mut H + ::core::marker::Copy + ::core::marker::Send + ::core::marker::Sync + 'static,
    ) -> ::core::result::Result<(), ::hatchery::Error> {
        self::test::a0_1_0::b::add_to_linker(linker, get)?;
        self::test::a0_2_0::b::add_to_linker(linker, get)?;
        ::core::result::Result::Ok(())
    }
}
/// What is in `test`.
pub mod test {
    /// What is in `a0_1_0`.
    pub mod a0_1_0 {
        /// The interface `test:a/b@0.1.0`.
        pub mod b {
            /// The record `c`.
            #[derive(
                ::core::fmt::Debug,
                ::core::clone::Clone,
                ::core::marker::Copy,
                ::core::cmp::PartialEq,
                ::core::cmp::Eq,
                ::core::hash::Hash,
                ::hatchery::component::ComponentType,
                ::hatchery::component::Lift,
                ::hatchery::component::Lower
            )]
            pub struct C {
                /// The field `d`.
                #[component(name = "d")]
                pub d: u8,
            }
            /// What the host does for `test:a/b@0.1.0`.
            pub trait Host: ::core::marker::Send {
                /// The function `f`.
                fn f(
                    &mut self,
                    c: C,
                ) -> impl ::core::future::Future<Output = ()> + ::core::marker::Send;
            }
            /// Adds `test:a/b@0.1.0` to a linker; `get` finds what does it in the host data.
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
                let mut interface = linker.instance("test:a/b@0.1.0")?;
                interface
                    .func_async(
                        "f",
                        move |caller, (p0,): (C,)| {
                            let host = get(caller.into_data_mut());
                            ::std::boxed::Box::pin(async move {
                                Host::f(host, p0).await;
                                ::core::result::Result::Ok(())
                            })
                        },
                    )?;
                ::core::result::Result::Ok(())
            }
        }
    }
    /// What is in `a0_2_0`.
    pub mod a0_2_0 {
        /// The interface `test:a/b@0.2.0`.
        pub mod b {
            /// The record `c`.
            #[derive(
                ::core::fmt::Debug,
                ::core::clone::Clone,
                ::core::marker::Copy,
                ::core::cmp::PartialEq,
                ::core::cmp::Eq,
                ::core::hash::Hash,
                ::hatchery::component::ComponentType,
                ::hatchery::component::Lift,
                ::hatchery::component::Lower
            )]
            pub struct C {
                /// The field `d`.
                #[component(name = "d")]
                pub d: u16,
            }
            /// What the host does for `test:a/b@0.2.0`.
            pub trait Host: ::core::marker::Send {
                /// The function `f`.
                fn f(
                    &mut self,
                    c: C,
                ) -> impl ::core::future::Future<Output = ()> + ::core::marker::Send;
            }
            /// Adds `test:a/b@0.2.0` to a linker; `get` finds what does it in the host data.
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
                let mut interface = linker.instance("test:a/b@0.2.0")?;
                interface
                    .func_async(
                        "f",
                        move |caller, (p0,): (C,)| {
                            let host = get(caller.into_data_mut());
                            ::std::boxed::Box::pin(async move {
                                Host::f(host, p0).await;
                                ::core::result::Result::Ok(())
                            })
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
        /// What is in `a0_2_0`.
        pub mod a0_2_0 {
            /// The interface `test:a/b@0.2.0`.
            pub mod b {
                /// The record `c`.
                #[derive(
                    ::core::fmt::Debug,
                    ::core::clone::Clone,
                    ::core::marker::Copy,
                    ::core::cmp::PartialEq,
                    ::core::cmp::Eq,
                    ::core::hash::Hash,
                    ::hatchery::component::ComponentType,
                    ::hatchery::component::Lift,
                    ::hatchery::component::Lower
                )]
                pub struct C {
                    /// The field `d`.
                    #[component(name = "d")]
                    pub d: u16,
                }
                /// The functions of `test:a/b@0.2.0` of a component, found once for all of its instances.
                #[derive(::core::fmt::Debug, ::core::clone::Clone)]
                pub struct Guest {
                    call_f: ::hatchery::component::TypedFunc<(C,), ()>,
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
                                    call_f: prepared.func(("test:a/b@0.2.0", "f"))?,
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
                        exports.func::<(C,), ()>(("test:a/b@0.2.0", "f"));
                    }
                    /// Calls the function `f`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_f<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        c: C,
                    ) -> ::core::result::Result<(), ::hatchery::Error> {
                        let () = self.call_f.call_lent(instance, (c,))?;
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
                        c: C,
                    ) -> ::core::result::Result<(), ::hatchery::Error> {
                        let () = self.call_f.call_lent_async(instance, (c,)).await?;
                        ::core::result::Result::Ok(())
                    }
                }
            }
        }
    }
}
