//! Where the types of a core module's functions are.

/// Where the types of a core module's functions are, for
/// [`Component::from_core_module`](super::Component::from_core_module), or those of an [`Adapter`](super::Adapter)'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wit<'a> {
    /// In the module's own `component-type` sections, where tools that make such modules leave them.
    Embedded,
    /// In a world of a package in the text format, whatever the module itself says. Strings are UTF-8.
    Text {
        /// The package, with all packages that it uses.
        package: &'a str,
        /// The world's name; it can be left out when there is only one.
        world: Option<&'a str>,
    },
    /// In a world of a package in the binary format, as for [`Wit::Text`].
    Binary {
        /// The package, with all packages that it uses.
        package: &'a [u8],
        /// The world's name; it can be left out when there is only one.
        world: Option<&'a str>,
    },
}

impl<'a> Wit<'a> {
    /// The same, in the words of who uses it.
    pub(crate) fn lower(self) -> hatchery_component::wrap::Wit<'a> {
        use hatchery_component::wrap::Wit as Inner;
        match self {
            Wit::Embedded => Inner::Embedded,
            Wit::Text { package, world } => Inner::Text { package, world },
            Wit::Binary { package, world } => Inner::Binary { package, world },
        }
    }
}
