const _: &[u8] = ::core::include_bytes!(
    "<crate>/../hatchery/tests/bindings/calc/calc.wit"
);
/// The functions of a component for the world `provider`, found once for all of its instances.
#[derive(::core::fmt::Debug, ::core::clone::Clone)]
pub struct Provider {
    demo_calc_ops: self::exports::demo::calc::ops::Guest,
}
impl Provider {
    /// Finds the functions in a component.
    ///
    /// # Errors
    ///
    /// When the component does not export all of it, or with other types; the message names the functions and both types.
    pub fn new<T: 'static>(
        prepared: &::hatchery::component::Prepared<T>,
    ) -> ::core::result::Result<Provider, ::hatchery::Error> {
        ::hatchery::component::macros::find(
            prepared,
            Self::check_exports,
            || {
                ::core::result::Result::Ok(Provider {
                    demo_calc_ops: self::exports::demo::calc::ops::Guest::new(prepared)?,
                })
            },
        )
    }
    /// Asks for all functions, so that a message can name those that are missing or have other types.
    #[doc(hidden)]
    pub fn check_exports(exports: &mut ::hatchery::component::macros::ExportCheck<'_>) {
        let _ = &exports;
        self::exports::demo::calc::ops::Guest::check_exports(exports);
    }
    /// The functions of `demo:calc/ops@0.1.0`.
    pub fn demo_calc_ops(&self) -> &self::exports::demo::calc::ops::Guest {
        &self.demo_calc_ops
    }
}
impl Provider {
    /// Makes a component of the world `provider` ready for instances and finds its functions: the place where all types are checked, those of imports and those of exports.
    ///
    /// # Errors
    ///
    /// When the linker lacks imports, the component lacks exports of the world, or any of them has another type: one message names all of them, and both types. Otherwise as for `Linker::prepare_with`.
    pub fn prepare<T: 'static>(
        linker: &::hatchery::component::Linker<T>,
        component: &::hatchery::component::Component,
    ) -> ::core::result::Result<
        (::hatchery::component::Prepared<T>, Provider),
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
        (::hatchery::component::Prepared<T>, Provider),
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
/// What is in `exports`.
pub mod exports {
    /// What is in `demo`.
    pub mod demo {
        /// What is in `calc`.
        pub mod calc {
            /// The interface `demo:calc/ops@0.1.0`.
            pub mod ops {
                /// The record `point`.
                #[derive(
                    ::core::fmt::Debug,
                    ::core::clone::Clone,
                    ::core::marker::Copy,
                    ::core::cmp::PartialEq,
                    ::hatchery::component::ComponentType,
                    ::hatchery::component::Lift,
                    ::hatchery::component::Lower
                )]
                pub struct Point {
                    /// The field `x`.
                    #[component(name = "x")]
                    pub x: f64,
                    /// The field `y`.
                    #[component(name = "y")]
                    pub y: f64,
                }
                /// The variant `expr`.
                #[derive(
                    ::core::fmt::Debug,
                    ::core::clone::Clone,
                    ::core::cmp::PartialEq,
                    ::hatchery::component::ComponentType,
                    ::hatchery::component::Lift,
                    ::hatchery::component::Lower
                )]
                #[component(variant)]
                pub enum Expr {
                    /// The case `num`.
                    #[component(name = "num")]
                    Num(i64),
                    /// The case `text`.
                    #[component(name = "text")]
                    Text(::std::string::String),
                    /// The case `pts`.
                    #[component(name = "pts")]
                    Pts(::std::vec::Vec<Point>),
                    /// The case `none`.
                    #[component(name = "none")]
                    None,
                }
                /// The set of flags `caps`.
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
                pub struct Caps {
                    /// The flag `add`.
                    #[component(name = "add")]
                    pub add: bool,
                    /// The flag `mul`.
                    #[component(name = "mul")]
                    pub mul: bool,
                    /// The flag `cat`.
                    #[component(name = "cat")]
                    pub cat: bool,
                }
                /// The resource `acc`.
                pub type Acc = ::hatchery::component::ResourceAny;
                /// The functions of the resource `acc` of a component, found once for all of its instances.
                #[derive(::core::fmt::Debug, ::core::clone::Clone)]
                pub struct GuestAcc {
                    call_constructor: ::hatchery::component::TypedFunc<
                        (i64,),
                        (::hatchery::component::ResourceAny,),
                    >,
                    call_add: ::hatchery::component::TypedFunc<
                        (::hatchery::component::ResourceAny, i64),
                        (i64,),
                    >,
                    call_get: ::hatchery::component::TypedFunc<
                        (::hatchery::component::ResourceAny,),
                        (i64,),
                    >,
                    call_merge: ::hatchery::component::TypedFunc<
                        (
                            ::hatchery::component::ResourceAny,
                            ::hatchery::component::ResourceAny,
                        ),
                        (::hatchery::component::ResourceAny,),
                    >,
                }
                impl GuestAcc {
                    /// Finds the functions in a component.
                    ///
                    /// # Errors
                    ///
                    /// When the component does not export all of it, or with other types; the message names the functions and both types.
                    pub fn new<T: 'static>(
                        prepared: &::hatchery::component::Prepared<T>,
                    ) -> ::core::result::Result<GuestAcc, ::hatchery::Error> {
                        ::hatchery::component::macros::find(
                            prepared,
                            Self::check_exports,
                            || {
                                ::core::result::Result::Ok(GuestAcc {
                                    call_constructor: prepared
                                        .func(("demo:calc/ops@0.1.0", "[constructor]acc"))?,
                                    call_add: prepared
                                        .func(("demo:calc/ops@0.1.0", "[method]acc.add"))?,
                                    call_get: prepared
                                        .func(("demo:calc/ops@0.1.0", "[method]acc.get"))?,
                                    call_merge: prepared
                                        .func(("demo:calc/ops@0.1.0", "[static]acc.merge"))?,
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
                                (i64,),
                                (::hatchery::component::ResourceAny,),
                            >(("demo:calc/ops@0.1.0", "[constructor]acc"));
                        exports
                            .func::<
                                (::hatchery::component::ResourceAny, i64),
                                (i64,),
                            >(("demo:calc/ops@0.1.0", "[method]acc.add"));
                        exports
                            .func::<
                                (::hatchery::component::ResourceAny,),
                                (i64,),
                            >(("demo:calc/ops@0.1.0", "[method]acc.get"));
                        exports
                            .func::<
                                (
                                    ::hatchery::component::ResourceAny,
                                    ::hatchery::component::ResourceAny,
                                ),
                                (::hatchery::component::ResourceAny,),
                            >(("demo:calc/ops@0.1.0", "[static]acc.merge"));
                    }
                    /// Calls the function `acc.constructor`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_constructor<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        start: i64,
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
                        start: i64,
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
                    /// Calls the function `acc.add`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_add<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        self_: ::hatchery::component::ResourceAny,
                        v: i64,
                    ) -> ::core::result::Result<i64, ::hatchery::Error> {
                        let (result,) = self.call_add.call_lent(instance, (self_, v))?;
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
                        v: i64,
                    ) -> ::core::result::Result<i64, ::hatchery::Error> {
                        let (result,) = self
                            .call_add
                            .call_lent_async(instance, (self_, v))
                            .await?;
                        ::core::result::Result::Ok(result)
                    }
                    /// Calls the function `acc.get`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_get<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        self_: ::hatchery::component::ResourceAny,
                    ) -> ::core::result::Result<i64, ::hatchery::Error> {
                        let (result,) = self.call_get.call_lent(instance, (self_,))?;
                        ::core::result::Result::Ok(result)
                    }
                    /// As [`call_get`](Self::call_get), for hosts with async functions.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub async fn call_get_async<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        self_: ::hatchery::component::ResourceAny,
                    ) -> ::core::result::Result<i64, ::hatchery::Error> {
                        let (result,) = self
                            .call_get
                            .call_lent_async(instance, (self_,))
                            .await?;
                        ::core::result::Result::Ok(result)
                    }
                    /// Calls the function `acc.merge`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_merge<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        a: ::hatchery::component::ResourceAny,
                        b: ::hatchery::component::ResourceAny,
                    ) -> ::core::result::Result<
                        ::hatchery::component::ResourceAny,
                        ::hatchery::Error,
                    > {
                        let (result,) = self.call_merge.call_lent(instance, (a, b))?;
                        ::core::result::Result::Ok(result)
                    }
                    /// As [`call_merge`](Self::call_merge), for hosts with async functions.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub async fn call_merge_async<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        a: ::hatchery::component::ResourceAny,
                        b: ::hatchery::component::ResourceAny,
                    ) -> ::core::result::Result<
                        ::hatchery::component::ResourceAny,
                        ::hatchery::Error,
                    > {
                        let (result,) = self
                            .call_merge
                            .call_lent_async(instance, (a, b))
                            .await?;
                        ::core::result::Result::Ok(result)
                    }
                }
                /// The functions of `demo:calc/ops@0.1.0` of a component, found once for all of its instances.
                #[derive(::core::fmt::Debug, ::core::clone::Clone)]
                pub struct Guest {
                    call_add: ::hatchery::component::TypedFunc<(i64, i64), (i64,)>,
                    call_concat: ::hatchery::component::TypedFunc<
                        (&'static [::std::string::String],),
                        (::std::string::String,),
                    >,
                    call_centroid: ::hatchery::component::TypedFunc<
                        (&'static [Point],),
                        (::core::result::Result<Point, ::std::string::String>,),
                    >,
                    call_describe: ::hatchery::component::TypedFunc<
                        (&'static Expr,),
                        ((::std::string::String, ::core::option::Option<u32>, Caps),),
                    >,
                    acc: GuestAcc,
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
                                    call_add: prepared.func(("demo:calc/ops@0.1.0", "add"))?,
                                    call_concat: prepared
                                        .func(("demo:calc/ops@0.1.0", "concat"))?,
                                    call_centroid: prepared
                                        .func(("demo:calc/ops@0.1.0", "centroid"))?,
                                    call_describe: prepared
                                        .func(("demo:calc/ops@0.1.0", "describe"))?,
                                    acc: GuestAcc::new(prepared)?,
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
                            .func::<(i64, i64), (i64,)>(("demo:calc/ops@0.1.0", "add"));
                        exports
                            .func::<
                                (&'static [::std::string::String],),
                                (::std::string::String,),
                            >(("demo:calc/ops@0.1.0", "concat"));
                        exports
                            .func::<
                                (&'static [Point],),
                                (::core::result::Result<Point, ::std::string::String>,),
                            >(("demo:calc/ops@0.1.0", "centroid"));
                        exports
                            .func::<
                                (&'static Expr,),
                                (
                                    (::std::string::String, ::core::option::Option<u32>, Caps),
                                ),
                            >(("demo:calc/ops@0.1.0", "describe"));
                        GuestAcc::check_exports(exports);
                    }
                    /// Calls the function `add`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_add<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        a: i64,
                        b: i64,
                    ) -> ::core::result::Result<i64, ::hatchery::Error> {
                        let (result,) = self.call_add.call_lent(instance, (a, b))?;
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
                        a: i64,
                        b: i64,
                    ) -> ::core::result::Result<i64, ::hatchery::Error> {
                        let (result,) = self
                            .call_add
                            .call_lent_async(instance, (a, b))
                            .await?;
                        ::core::result::Result::Ok(result)
                    }
                    /// Calls the function `concat`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_concat<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        xs: &[::std::string::String],
                    ) -> ::core::result::Result<
                        ::std::string::String,
                        ::hatchery::Error,
                    > {
                        let (result,) = self.call_concat.call_lent(instance, (xs,))?;
                        ::core::result::Result::Ok(result)
                    }
                    /// As [`call_concat`](Self::call_concat), for hosts with async functions.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub async fn call_concat_async<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        xs: &[::std::string::String],
                    ) -> ::core::result::Result<
                        ::std::string::String,
                        ::hatchery::Error,
                    > {
                        let (result,) = self
                            .call_concat
                            .call_lent_async(instance, (xs,))
                            .await?;
                        ::core::result::Result::Ok(result)
                    }
                    /// Calls the function `centroid`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_centroid<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        ps: &[Point],
                    ) -> ::core::result::Result<
                        ::core::result::Result<Point, ::std::string::String>,
                        ::hatchery::Error,
                    > {
                        let (result,) = self.call_centroid.call_lent(instance, (ps,))?;
                        ::core::result::Result::Ok(result)
                    }
                    /// As [`call_centroid`](Self::call_centroid), for hosts with async functions.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub async fn call_centroid_async<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        ps: &[Point],
                    ) -> ::core::result::Result<
                        ::core::result::Result<Point, ::std::string::String>,
                        ::hatchery::Error,
                    > {
                        let (result,) = self
                            .call_centroid
                            .call_lent_async(instance, (ps,))
                            .await?;
                        ::core::result::Result::Ok(result)
                    }
                    /// Calls the function `describe`.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub fn call_describe<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        e: &Expr,
                    ) -> ::core::result::Result<
                        (::std::string::String, ::core::option::Option<u32>, Caps),
                        ::hatchery::Error,
                    > {
                        let (result,) = self.call_describe.call_lent(instance, (e,))?;
                        ::core::result::Result::Ok(result)
                    }
                    /// As [`call_describe`](Self::call_describe), for hosts with async functions.
                    ///
                    /// # Errors
                    ///
                    /// When the guest traps or a host function fails, and when the instance had that happen before: it is not used again.
                    pub async fn call_describe_async<T: 'static>(
                        &self,
                        instance: &mut ::hatchery::component::Instance<T>,
                        e: &Expr,
                    ) -> ::core::result::Result<
                        (::std::string::String, ::core::option::Option<u32>, Caps),
                        ::hatchery::Error,
                    > {
                        let (result,) = self
                            .call_describe
                            .call_lent_async(instance, (e,))
                            .await?;
                        ::core::result::Result::Ok(result)
                    }
                    /// The functions of the resource `acc`.
                    pub fn acc(&self) -> &GuestAcc {
                        &self.acc
                    }
                }
            }
        }
    }
}
