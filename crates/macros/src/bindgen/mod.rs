//! Bindings from WIT, in three steps: packages are read, a world of theirs is described as plain data, and that is written
//! as Rust.

mod ability;
mod choice;
mod describe;
mod emit;
#[cfg(test)]
mod golden;
mod model;
mod names;
mod options;
mod source;
#[cfg(test)]
mod tests;

use options::Options;
use proc_macro2::TokenStream;
use source::Source;
use syn::Result;

/// The bindings that a call of the macro asks for.
pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let options: Options = syn::parse2(input)?;
    let source = Source::read(&options)?;
    let world = describe::describe(&source, &options)?;
    Ok(emit::emit(&world, &source.files, &options.face))
}
