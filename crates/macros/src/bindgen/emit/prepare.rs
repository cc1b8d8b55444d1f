//! How a component becomes ready for a world: what it imports and what it exports are checked together.

use super::super::model::World;
use super::docs::docs_with_errors;
use crate::face::Face;
use proc_macro2::TokenStream;
use quote::quote;

/// Why a component is not made ready.
const UNFIT: &str = "When the linker lacks imports, the component lacks exports of the world, or any of them has another \
                     type: one message names all of them, and both types. Otherwise as for `Linker::prepare_with`.";

/// The functions that prepare a component for a world.
pub(super) fn prepare(world: &World, face: &Face) -> TokenStream {
    let (ident, name) = (&world.ident, &world.name);
    let text = format!(
        "Makes a component of the world `{name}` ready for instances and finds its functions: the place where all types \
         are checked, those of imports and those of exports."
    );
    let docs = docs_with_errors(None, &text, UNFIT);
    let with_docs = docs_with_errors(None, "As [`prepare`](Self::prepare), with limits for each instance.", UNFIT);
    let result = quote! {
        ::core::result::Result<(#face::component::Prepared<T>, #ident), #face::Error>
    };
    quote! {
        impl #ident {
            #docs
            pub fn prepare<T: 'static>(
                linker: &#face::component::Linker<T>,
                component: &#face::component::Component,
            ) -> #result {
                Self::prepare_with(linker, component, #face::Limits::new())
            }

            #with_docs
            pub fn prepare_with<T: 'static>(
                linker: &#face::component::Linker<T>,
                component: &#face::component::Component,
                limits: #face::Limits,
            ) -> #result {
                let prepared = #face::component::macros::prepare(linker, component, limits, Self::check_exports)?;
                let world = Self::new(&prepared)?;
                ::core::result::Result::Ok((prepared, world))
            }
        }
    }
}
