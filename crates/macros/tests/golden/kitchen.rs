const _: &[u8] = ::core::include_bytes!(
    "<crate>/../hatchery/tests/bindings/wit/kitchen.wit"
);
const _: &[u8] = ::core::include_bytes!(
    "<crate>/../hatchery/tests/bindings/wit/deps/units.wit"
);
type __With0 = super::Bucket;
/// The type `failure`.
pub type Failure = self::test::kitchen::store::Failure;
/// The type `length`.
pub type Length = self::test::units::lengths::Length;
/// What the host does for `the world itself`.
pub trait KitchenImports {
    /// The function `log`.
    ///
    /// # Errors
    ///
    /// An error ends the guest's call, and the instance is not used again.
    fn log(
        &mut self,
        line: ::std::string::String,
    ) -> ::core::result::Result<(), ::hatchery::Error>;
}
#[cfg_attr(
    not(doctest),
    doc = " A component and its host, with something of everything."
)]
#[derive(::core::fmt::Debug, ::core::clone::Clone)]
pub struct Kitchen {
    call_run: ::hatchery::component::TypedFunc<
        (&'static str, &'static str),
        (::core::result::Result<Length, Failure>,),
    >,
    call_fill: ::hatchery::component::TypedFunc<(&'static str, Length), (u32,)>,
    call_time: ::hatchery::component::TypedFunc<(), (u64,)>,
    test_kitchen_counters: self::exports::test::kitchen::counters::Guest,
}
impl Kitchen {
    /// Finds the functions in a component.
    ///
    /// # Errors
    ///
    /// When the component does not export all of it, or with other types; the message names the functions and both types.
    pub fn new<T: 'static>(
        prepared: &::hatchery::component::Prepared<T>,
    ) -> ::core::result::Result<Kitchen, ::hatchery::Error> {
        ::hatchery::component::macros::find(
            prepared,
            Self::check_exports,
            || {
                ::core::result::Result::Ok(Kitchen {
                    call_run: prepared.func("run")?,
                    call_fill: prepared.func("fill")?,
                    call_time: prepared.func("time")?,
                    test_kitchen_counters: self::exports::test::kitchen::counters::Guest::new(
                        prepared,
                    )?,
                })
            },
        )
    }
    /// Asks for all functions, so that a message can name those that are missing or have other types.
    #[doc(hidden)]
    pub fn check_exports(exports: &mut ::hatchery::component::macros::ExportCheck<'_>) {
        let _ = &exports;
        exports
            .func::<
                (&'static str, &'static str),
                (::core::result::Result<Length, Failure>,),
            >("run");
        exports.func::<(&'static str, Length), (u32,)>("fill");
        exports.func::<(), (u64,)>("time");
        self::exports::test::kitchen::counters::Guest::check_exports(exports);
    }
    /// Calls the function `run`.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub fn call_run<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
        name: &str,
        key: &str,
    ) -> ::core::result::Result<
        ::core::result::Result<Length, Failure>,
        ::hatchery::Error,
    > {
        let (result,) = self.call_run.call_lent(instance, (name, key))?;
        ::core::result::Result::Ok(result)
    }
    /// As [`call_run`](Self::call_run), for hosts with async functions.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub async fn call_run_async<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
        name: &str,
        key: &str,
    ) -> ::core::result::Result<
        ::core::result::Result<Length, Failure>,
        ::hatchery::Error,
    > {
        let (result,) = self.call_run.call_lent_async(instance, (name, key)).await?;
        ::core::result::Result::Ok(result)
    }
    /// Calls the function `fill`.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub fn call_fill<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
        name: &str,
        value: Length,
    ) -> ::core::result::Result<u32, ::hatchery::Error> {
        let (result,) = self.call_fill.call_lent(instance, (name, value))?;
        ::core::result::Result::Ok(result)
    }
    /// As [`call_fill`](Self::call_fill), for hosts with async functions.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub async fn call_fill_async<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
        name: &str,
        value: Length,
    ) -> ::core::result::Result<u32, ::hatchery::Error> {
        let (result,) = self.call_fill.call_lent_async(instance, (name, value)).await?;
        ::core::result::Result::Ok(result)
    }
    #[cfg_attr(not(doctest), doc = " What the clock says.")]
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub fn call_time<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
    ) -> ::core::result::Result<u64, ::hatchery::Error> {
        let (result,) = self.call_time.call_lent(instance, ())?;
        ::core::result::Result::Ok(result)
    }
    /// As [`call_time`](Self::call_time), for hosts with async functions.
    ///
    /// # Errors
    ///
    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
    pub async fn call_time_async<T: 'static>(
        &self,
        instance: &mut ::hatchery::component::Instance<T>,
    ) -> ::core::result::Result<u64, ::hatchery::Error> {
        let (result,) = self.call_time.call_lent_async(instance, ()).await?;
        ::core::result::Result::Ok(result)
    }
    /// The functions of `test:kitchen/counters@1.2.0`.
    pub fn test_kitchen_counters(
        &self,
    ) -> &self::exports::test::kitchen::counters::Guest {
        &self.test_kitchen_counters
    }
}
impl Kitchen {
    /// Makes a component of the world `kitchen` ready for instances and finds its functions: the place where all types are checked, those of imports and those of exports.
    ///
    /// # Errors
    ///
    /// When the linker lacks imports, the component lacks exports of the world, or any of them has another type: one message names all of them, and both types. Otherwise as for `Linker::prepare_with`.
    pub fn prepare<T: 'static>(
        linker: &::hatchery::component::Linker<T>,
        component: &::hatchery::component::Component,
    ) -> ::core::result::Result<
        (::hatchery::component::Prepared<T>, Kitchen),
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
        (::hatchery::component::Prepared<T>, Kitchen),
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
impl Kitchen {
    /// Adds everything that the world `kitchen` imports to a linker; `get` finds what does it in the host data.
    ///
    /// # Errors
    ///
    /// When the linker has some of it already.
    pub fn add_to_linker<
        T: 'static,
        H: KitchenImports + self::clock::Host + self::test::kitchen::store::Host
            + 'static,
    >(
        linker: &mut ::hatchery::component::Linker<T>,
        get: impl ::core::ops::Fn(
            &mut T,
        ) -> &mut H + ::core::marker::Copy + ::core::marker::Send + ::core::marker::Sync + 'static,
    ) -> ::core::result::Result<(), ::hatchery::Error> {
        let mut interface = linker.root();
        interface
            .func(
                "log",
                move |mut caller, (p0,): (::std::string::String,)| {
                    let host = get(caller.data_mut());
                    KitchenImports::log(host, p0)?;
                    ::core::result::Result::Ok(())
                },
            )?;
        self::clock::add_to_linker(linker, get)?;
        self::test::kitchen::store::add_to_linker(linker, get)?;
        ::core::result::Result::Ok(())
    }
}
/// The interface `clock`.
pub mod clock {
    /// What the host does for `clock`.
    pub trait Host: ::core::marker::Send {
        #[cfg_attr(not(doctest), doc = " The time.")]
        fn now(
            &mut self,
        ) -> impl ::core::future::Future<Output = u64> + ::core::marker::Send;
    }
    /// Adds `clock` to a linker; `get` finds what does it in the host data.
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
        let mut interface = linker.instance("clock")?;
        interface
            .func_async(
                "now",
                move |caller, (): ()| {
                    let host = get(caller.into_data_mut());
                    ::std::boxed::Box::pin(async move {
                        ::core::result::Result::Ok((Host::now(host).await,))
                    })
                },
            )?;
        ::core::result::Result::Ok(())
    }
}
/// What is in `test`.
pub mod test {
    /// What is in `units`.
    pub mod units {
        #[cfg_attr(not(doctest), doc = " Lengths and their units.")]
        pub mod lengths {
            #[cfg_attr(not(doctest), doc = " What a length is measured in.")]
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
            pub enum Unit {
                /// The case `metre`.
                #[component(name = "metre")]
                Metre,
                /// The case `foot`.
                #[component(name = "foot")]
                Foot,
            }
            #[cfg_attr(not(doctest), doc = " How long something is.")]
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
            pub struct Length {
                /// The field `value`.
                #[component(name = "value")]
                pub value: u32,
                /// The field `unit`.
                #[component(name = "unit")]
                pub unit: Unit,
            }
        }
    }
    /// What is in `kitchen`.
    pub mod kitchen {
        #[cfg_attr(not(doctest), doc = " Lengths by name, in buckets.")]
        pub mod store {
            /// The type `length`.
            pub type Length = super::super::super::test::units::lengths::Length;
            #[cfg_attr(not(doctest), doc = " Why there is no length.")]
            #[derive(
                ::core::fmt::Debug,
                ::core::clone::Clone,
                ::core::cmp::PartialEq,
                ::core::cmp::Eq,
                ::core::hash::Hash,
                ::hatchery::component::ComponentType,
                ::hatchery::component::Lift,
                ::hatchery::component::Lower
            )]
            #[component(variant)]
            pub enum Failure {
                #[cfg_attr(not(doctest), doc = " None has this name.")]
                #[component(name = "missing")]
                Missing(::std::string::String),
                /// The case `full`.
                #[component(name = "full")]
                Full,
                /// The case `self`.
                #[component(name = "self")]
                Self_,
            }
            impl ::core::fmt::Display for Failure {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    ::core::fmt::Debug::fmt(self, f)
                }
            }
            impl ::core::error::Error for Failure {}
            #[cfg_attr(not(doctest), doc = " What a bucket is opened for.")]
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
            #[derive(::core::default::Default)]
            #[component(flags)]
            pub struct Mode {
                /// The flag `read`.
                #[component(name = "read")]
                pub read: bool,
                /// The flag `write`.
                #[component(name = "write")]
                pub write: bool,
                /// The flag `type`.
                #[component(name = "type")]
                pub r#type: bool,
            }
            #[cfg_attr(not(doctest), doc = " Lengths by name.")]
            pub type Bucket = super::super::super::__With0;
            /// What the host does with the resource `bucket`.
            pub trait HostBucket {
                /// The function `bucket.constructor`.
                ///
                /// # Errors
                ///
                /// An error ends the guest's call, and the instance is not used again.
                fn constructor(
                    &mut self,
                    name: ::std::string::String,
                ) -> ::core::result::Result<
                    ::hatchery::component::Resource<Bucket>,
                    ::hatchery::Error,
                >;
                #[cfg_attr(not(doctest), doc = " The length with a name.")]
                ///
                /// # Errors
                ///
                /// An error ends the guest's call, and the instance is not used again.
                fn get(
                    &mut self,
                    self_: ::hatchery::component::Resource<Bucket>,
                    key: ::std::string::String,
                ) -> ::core::result::Result<
                    ::core::result::Result<Length, Failure>,
                    ::hatchery::Error,
                >;
                /// The function `bucket.put`.
                ///
                /// # Errors
                ///
                /// An error ends the guest's call, and the instance is not used again.
                fn put(
                    &mut self,
                    self_: ::hatchery::component::Resource<Bucket>,
                    key: ::std::string::String,
                    value: Length,
                ) -> ::core::result::Result<(), ::hatchery::Error>;
                #[cfg_attr(not(doctest), doc = " Not the destructor.")]
                ///
                /// # Errors
                ///
                /// An error ends the guest's call, and the instance is not used again.
                fn drop_(
                    &mut self,
                    self_: ::hatchery::component::Resource<Bucket>,
                ) -> ::core::result::Result<u32, ::hatchery::Error>;
                /// The function `bucket.open`.
                ///
                /// # Errors
                ///
                /// An error ends the guest's call, and the instance is not used again.
                fn open(
                    &mut self,
                    name: ::std::string::String,
                    mode: Mode,
                ) -> ::core::result::Result<
                    ::core::option::Option<::hatchery::component::Resource<Bucket>>,
                    ::hatchery::Error,
                >;
                /// Gives up a `bucket` that the guest owned and dropped.
                ///
                /// # Errors
                ///
                /// An error ends the guest's call, and the instance is not used again.
                fn drop(
                    &mut self,
                    resource: ::hatchery::component::Resource<Bucket>,
                ) -> ::core::result::Result<(), ::hatchery::Error>;
            }
            /// What the host does for `test:kitchen/store@1.2.0`.
            pub trait Host: HostBucket {
                #[cfg_attr(
                    not(doctest),
                    doc = " How many lengths there are in some buckets."
                )]
                ///
                /// # Errors
                ///
                /// An error ends the guest's call, and the instance is not used again.
                fn total(
                    &mut self,
                    buckets: ::std::vec::Vec<::hatchery::component::Resource<Bucket>>,
                ) -> ::core::result::Result<u32, ::hatchery::Error>;
            }
            /// Adds `test:kitchen/store@1.2.0` to a linker; `get` finds what does it in the host data.
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
                let mut interface = linker.instance("test:kitchen/store@1.2.0")?;
                interface
                    .resource::<
                        Bucket,
                    >(
                        "bucket",
                        move |mut caller, resource| {
                            HostBucket::drop(get(caller.data_mut()), resource)
                        },
                    )?;
                interface
                    .func(
                        "[constructor]bucket",
                        move |mut caller, (p0,): (::std::string::String,)| {
                            let host = get(caller.data_mut());
                            ::core::result::Result::Ok((
                                HostBucket::constructor(host, p0)?,
                            ))
                        },
                    )?;
                interface
                    .func(
                        "[method]bucket.get",
                        move |
                            mut caller,
                            (
                                p0,
                                p1,
                            ): (
                                ::hatchery::component::Resource<Bucket>,
                                ::std::string::String,
                            )|
                        {
                            let host = get(caller.data_mut());
                            ::core::result::Result::Ok((HostBucket::get(host, p0, p1)?,))
                        },
                    )?;
                interface
                    .func(
                        "[method]bucket.put",
                        move |
                            mut caller,
                            (
                                p0,
                                p1,
                                p2,
                            ): (
                                ::hatchery::component::Resource<Bucket>,
                                ::std::string::String,
                                Length,
                            )|
                        {
                            let host = get(caller.data_mut());
                            HostBucket::put(host, p0, p1, p2)?;
                            ::core::result::Result::Ok(())
                        },
                    )?;
                interface
                    .func(
                        "[method]bucket.drop",
                        move |
                            mut caller,
                            (p0,): (::hatchery::component::Resource<Bucket>,)|
                        {
                            let host = get(caller.data_mut());
                            ::core::result::Result::Ok((HostBucket::drop_(host, p0)?,))
                        },
                    )?;
                interface
                    .func(
                        "[static]bucket.open",
                        move |mut caller, (p0, p1): (::std::string::String, Mode)| {
                            let host = get(caller.data_mut());
                            ::core::result::Result::Ok((
                                HostBucket::open(host, p0, p1)?,
                            ))
                        },
                    )?;
                interface
                    .func(
                        "total",
                        move |
                            mut caller,
                            (
                                p0,
                            ): (
                                ::std::vec::Vec<::hatchery::component::Resource<Bucket>>,
                            )|
                        {
                            let host = get(caller.data_mut());
                            ::core::result::Result::Ok((Host::total(host, p0)?,))
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
        /// What is in `kitchen`.
        pub mod kitchen {
            /// The interface `test:kitchen/counters@1.2.0`.
            pub mod counters {
                #[cfg_attr(not(doctest), doc = " Counts.")]
                pub type Counter = ::hatchery::component::ResourceAny;
                /// The functions of the resource `counter` of a component, found once for all of its instances.
                #[derive(::core::fmt::Debug, ::core::clone::Clone)]
                pub struct GuestCounter {
                    call_constructor: ::hatchery::component::TypedFunc<
                        (u32,),
                        (::hatchery::component::ResourceAny,),
                    >,
                    call_add: ::hatchery::component::TypedFunc<
                        (::hatchery::component::ResourceAny, u32),
                        (u32,),
                    >,
                }
                impl GuestCounter {
                    /// Finds the functions in a component.
                    ///
                    /// # Errors
                    ///
                    /// When the component does not export all of it, or with other types; the message names the functions and both types.
                    pub fn new<T: 'static>(
                        prepared: &::hatchery::component::Prepared<T>,
                    ) -> ::core::result::Result<GuestCounter, ::hatchery::Error> {
                        ::hatchery::component::macros::find(
                            prepared,
                            Self::check_exports,
                            || {
                                ::core::result::Result::Ok(GuestCounter {
                                    call_constructor: prepared
                                        .func((
                                            "test:kitchen/counters@1.2.0",
                                            "[constructor]counter",
                                        ))?,
                                    call_add: prepared
                                        .func((
                                            "test:kitchen/counters@1.2.0",
                                            "[method]counter.add",
                                        ))?,
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
                                (u32,),
                                (::hatchery::component::ResourceAny,),
                            >(("test:kitchen/counters@1.2.0", "[constructor]counter"));
                        exports
                            .func::<
                                (::hatchery::component::ResourceAny, u32),
                                (u32,),
                            >(("test:kitchen/counters@1.2.0", "[method]counter.add"));
                    }
                    /// Calls the function `counter.constructor`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_constructor<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        start: u32,
                    ) -> ::core::result::Result<
                        ::hatchery::component::ResourceAny,
                        ::hatchery::Error,
                    > {
                        let (result,) = self
                            .call_constructor
                            .call_lent(instance, (start,))?;
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
                        start: u32,
                    ) -> ::core::result::Result<
                        ::hatchery::component::ResourceAny,
                        ::hatchery::Error,
                    > {
                        let (result,) = self
                            .call_constructor
                            .call_lent_async(instance, (start,))
                            .await?;
                        ::core::result::Result::Ok(result)
                    }
                    /// Calls the function `counter.add`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_add<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        self_: ::hatchery::component::ResourceAny,
                        n: u32,
                    ) -> ::core::result::Result<u32, ::hatchery::Error> {
                        let (result,) = self.call_add.call_lent(instance, (self_, n))?;
                        ::core::result::Result::Ok(result)
                    }
                    /// As [`call_add`](Self::call_add), for hosts with async functions.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub async fn call_add_async<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        self_: ::hatchery::component::ResourceAny,
                        n: u32,
                    ) -> ::core::result::Result<u32, ::hatchery::Error> {
                        let (result,) = self
                            .call_add
                            .call_lent_async(instance, (self_, n))
                            .await?;
                        ::core::result::Result::Ok(result)
                    }
                }
                /// The functions of `test:kitchen/counters@1.2.0` of a component, found once for all of its instances.
                #[derive(::core::fmt::Debug, ::core::clone::Clone)]
                pub struct Guest {
                    counter: GuestCounter,
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
                                    counter: GuestCounter::new(prepared)?,
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
                        GuestCounter::check_exports(exports);
                    }
                    #[cfg_attr(not(doctest), doc = " Counts.")]
                    pub fn counter(&self) -> &GuestCounter {
                        &self.counter
                    }
                }
            }
        }
    }
}
