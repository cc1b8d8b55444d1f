//! Components in components, which pass on what the host passes to them.

use super::guest::Behaviour;
use super::types::{Flat, Ty, flat_params, flat_result};
use super::ways;
use std::fmt::Write as _;

/// The type of a function.
#[derive(Debug, Clone)]
pub struct Signature {
    /// Types of its parameters.
    pub params: Vec<Ty>,
    /// Type of its result.
    pub result: Option<Ty>,
    /// Number of the Rust types that stand for it, where there are some.
    pub(crate) way: Option<usize>,
}

impl Signature {
    /// Parameters and results of the core function that implements it.
    pub(crate) fn lifted(&self) -> (String, String) {
        let params = flat_params(&self.params).unwrap_or_else(|| vec![Flat::I32]);
        let results = flat_result(self.result.as_ref()).unwrap_or_else(|| vec![Flat::I32]);
        (list("param", &params), list("result", &results))
    }

    /// Parameters and results of the core function that calls it.
    pub(crate) fn lowered(&self) -> (String, String) {
        let mut params = flat_params(&self.params).unwrap_or_else(|| vec![Flat::I32]);
        let results = flat_result(self.result.as_ref()).unwrap_or_else(|| {
            params.push(Flat::I32);
            Vec::new()
        });
        (list("param", &params), list("result", &results))
    }

    /// Whether an honest relay gives back all it is lent: what is lent is a flat parameter.
    pub(crate) fn gives_borrows_back(&self) -> bool {
        let nested = self.params.iter().any(|ty| !ty.is_borrow() && ty.has_borrows());
        let spilled = flat_params(&self.params).is_none() && self.params.iter().any(Ty::is_borrow);
        !nested && !spilled
    }

    fn text(&self) -> String {
        let params = self.params.iter().enumerate().map(|(i, ty)| format!("(param \"p{i}\" {})", ty.text()));
        let result = self.result.as_ref().map(|ty| format!("(result {})", ty.text())).unwrap_or_default();
        params.collect::<String>() + &result
    }
}

fn list(word: &str, flat: &[Flat]) -> String {
    if flat.is_empty() {
        return String::new();
    }
    let types: String = flat.iter().map(|flat| format!(" {}", flat.text())).collect();
    format!("({word}{types})")
}

/// The component of components: each imports what the one before it exports, the first what the host has.
pub(crate) fn text(named: &[Ty], signatures: &[Signature], parts: &[Behaviour]) -> String {
    let import = import(named, signatures);
    let mut text = format!("(component\n{import}");
    for (number, part) in parts.iter().enumerate() {
        text += &component(number, &import, named, signatures, part);
        let below = if number == 0 { "$up".into() } else { format!("$i{}", number - 1) };
        let _ = writeln!(text, "(instance $i{number} (instantiate $c{number} (with \"up\" (instance {below}))))");
    }
    let last = parts.len() - 1;
    for (number, signature) in signatures.iter().enumerate() {
        let ty = signature.text();
        let _ = writeln!(text, "(alias export $i{last} \"f{number}\" (func $e{number}))");
        let _ = writeln!(text, "(export \"f{number}\" (func $e{number}) (func {ty}))");
    }
    for number in 0..parts.len() {
        let export = signatures.len() + number;
        let _ = writeln!(
            text,
            "(alias export $i{number} \"poke\" (func $p{number})) (export \"f{export}\" (func $p{number}))"
        );
    }
    text + ")"
}

/// The function that each part has, in their order, behind those that relay: it changes a word of the part's memory.
pub(crate) fn poke() -> Signature {
    Signature { params: vec![Ty::Int(32, false), Ty::Int(32, false)], result: None, way: Some(ways::POKE) }
}

/// The import of everything from below.
fn import(named: &[Ty], signatures: &[Signature]) -> String {
    let mut text = String::from("(import \"up\" (instance $up\n(export \"res\" (type $res (sub resource)))\n");
    text += "(export \"other\" (type $other (sub resource)))\n";
    for (number, ty) in named.iter().enumerate() {
        let definition = ty.definition();
        let _ =
            writeln!(text, "(type $d{number} {definition}) (export \"t{number}\" (type $t{number} (eq $d{number})))");
    }
    for (number, signature) in signatures.iter().enumerate() {
        let _ = writeln!(text, "(export \"f{number}\" (func {}))", signature.text());
    }
    text += "))\n(alias export $up \"res\" (type $res)) (alias export $up \"other\" (type $other))\n";
    for number in 0..named.len() {
        let _ = writeln!(text, "(alias export $up \"t{number}\" (type $t{number}))");
    }
    text
}

fn component(number: usize, import: &str, named: &[Ty], signatures: &[Signature], part: &Behaviour) -> String {
    let options = format!(
        "(memory (core memory $libc \"memory\")) (realloc (core func $libc \"realloc\")) string-encoding={}",
        part.encoding
    );
    let mut text = format!("(component $c{number}\n{import}");
    text += &part.library();
    text += "(core instance $libc (instantiate $libc))\n";
    text += "(core func $drop (canon resource.drop $res)) (core func $drop-other (canon resource.drop $other))\n";
    let mut exports = String::from("(export \"drop\" (func $drop)) (export \"drop-other\" (func $drop-other))");
    for number in 0..signatures.len() {
        let _ = writeln!(text, "(core func $l{number} (canon lower (func $up \"f{number}\") {options}))");
        let _ = write!(exports, "(export \"f{number}\" (func $l{number}))");
    }
    text += &part.program(signatures);
    let _ = writeln!(
        text,
        "(core instance $main (instantiate $main (with \"libc\" (instance $libc)) (with \"up\" (instance {exports}))))"
    );
    text += "(export \"res\" (type $res)) (export \"other\" (type $other))\n";
    for number in 0..named.len() {
        let _ = writeln!(text, "(export \"t{number}\" (type $t{number}))");
    }
    text +=
        "(func (export \"poke\") (param \"at\" u32) (param \"word\" u32) (canon lift (core func $main \"poke\")))\n";
    for (number, signature) in signatures.iter().enumerate() {
        let post = match part.has_post_return(number) {
            true => format!("(post-return (core func $main \"post{number}\"))"),
            false => String::new(),
        };
        let _ = writeln!(
            text,
            "(func $f{number} {} (canon lift (core func $main \"f{number}\") {options} {post}))
             (export \"f{number}\" (func $f{number}))",
            signature.text()
        );
    }
    text + ")\n"
}
