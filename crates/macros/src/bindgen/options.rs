//! What a call of the macro says.

use crate::face::Face;
use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitBool, LitStr, Result, Token, Type, braced, bracketed, token};

/// Where a package is when nothing is said of it: this folder beside the crate's manifest.
const DEFAULT_PATH: &str = "wit";

/// A call of the macro.
pub(super) struct Options {
    /// The file or folder of the package, or of what an inline one depends on.
    pub(super) path: Option<LitStr>,
    /// The text of the package.
    pub(super) inline: Option<LitStr>,
    /// The world, by its name in the package, or with the package's.
    pub(super) world: Option<LitStr>,
    /// Imported functions that are async in the host.
    pub(super) asynchronous: Functions,
    /// Imported functions that may end the guest's call with an error.
    pub(super) trappable: Functions,
    /// Rust types of resources, and modules of interfaces.
    pub(super) with: Vec<(LitStr, Type)>,
    /// Features of `@unstable` items to have.
    pub(super) features: Vec<LitStr>,
    /// The crate that what is written uses.
    pub(super) face: Face,
}

/// A choice of functions.
pub(super) enum Functions {
    None,
    All,
    These(Vec<LitStr>),
}

impl Options {
    fn new() -> Options {
        Options {
            path: None,
            inline: None,
            world: None,
            asynchronous: Functions::None,
            trappable: Functions::None,
            with: Vec::new(),
            features: Vec::new(),
            face: Face::default(),
        }
    }

    /// The path, where one is to be read.
    pub(super) fn path(&self) -> Option<LitStr> {
        match (&self.path, &self.inline) {
            (None, None) => Some(LitStr::new(DEFAULT_PATH, Span::call_site())),
            (path, _) => path.clone(),
        }
    }

    /// What errors in the package are reported at.
    pub(super) fn span(&self) -> Span {
        let place = self.inline.as_ref().or(self.path.as_ref()).or(self.world.as_ref());
        place.map_or_else(Span::call_site, LitStr::span)
    }
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Options> {
        if input.peek(LitStr) {
            return short(input);
        }
        if !input.peek(token::Brace) {
            return fields(input);
        }
        let content;
        braced!(content in input);
        fields(&content)
    }
}

/// `"world"`, or `"world" in "path"`.
fn short(input: ParseStream<'_>) -> Result<Options> {
    let mut options = Options { world: Some(input.parse()?), ..Options::new() };
    if input.parse::<Option<Token![in]>>()?.is_some() {
        options.path = Some(input.parse()?);
    }
    Ok(options)
}

fn fields(input: ParseStream<'_>) -> Result<Options> {
    let mut options = Options::new();
    let mut seen = Vec::new();
    while !input.is_empty() {
        let key = input.call(Ident::parse_any)?;
        if seen.contains(&key) {
            return Err(Error::new(key.span(), format!("the option `{key}` is given twice")));
        }
        input.parse::<Token![:]>()?;
        field(&mut options, &key, input)?;
        seen.push(key);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(options)
}

fn field(options: &mut Options, key: &Ident, input: ParseStream<'_>) -> Result<()> {
    match key.to_string().as_str() {
        "path" => options.path = Some(input.parse()?),
        "inline" => options.inline = Some(input.parse()?),
        "world" => options.world = Some(input.parse()?),
        "async" => options.asynchronous = input.parse()?,
        "trappable" => options.trappable = input.parse()?,
        "with" => options.with = substitutes(input)?,
        "features" => options.features = strings(input)?,
        "hatchery_crate" => options.face = face(key, input)?,
        _ => {
            let message = format!(
                "there is no option `{key}`; there are `path`, `inline`, `world`, `async`, `trappable`, `with`, `features` and \
                 `hatchery_crate`"
            );
            return Err(Error::new(key.span(), message));
        }
    }
    Ok(())
}

/// A path that is written in many modules.
fn face(key: &Ident, input: ParseStream<'_>) -> Result<Face> {
    let face: Face = input.parse()?;
    if face.is_relative() {
        let message = format!("`{key}` is a path that means the same in every module, such as `crate::hatchery`");
        return Err(Error::new(key.span(), message));
    }
    Ok(face)
}

fn strings(input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    let content;
    bracketed!(content in input);
    let strings = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
    Ok(strings.into_iter().collect())
}

/// `{ "ns:pkg/interface/resource": Type, … }`.
fn substitutes(input: ParseStream<'_>) -> Result<Vec<(LitStr, Type)>> {
    let content;
    braced!(content in input);
    let pair = |input: ParseStream<'_>| {
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        Ok((name, input.parse()?))
    };
    let pairs = Punctuated::<_, Token![,]>::parse_terminated_with(&content, pair)?;
    Ok(pairs.into_iter().collect())
}

impl Parse for Functions {
    fn parse(input: ParseStream<'_>) -> Result<Functions> {
        if input.peek(token::Bracket) {
            return strings(input).map(Functions::These);
        }
        let all: LitBool =
            input.parse().map_err(|e| Error::new(e.span(), "expected `true`, `false` or a list of names"))?;
        Ok(if all.value { Functions::All } else { Functions::None })
    }
}
