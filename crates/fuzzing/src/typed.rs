//! Random modules full of typed function references, which wasm-smith makes only together with a garbage
//! collector's types.
//!
//! A module has function types that mention each other, functions of these types whose bodies are random
//! expressions, and tables and globals of references to them. Everything is well typed by construction. No
//! function has a loop, and each counts the exported fuel down, so every call ends.

use crate::program::{FUEL, FUEL_OF_A_CALL};
use arbitrary::{Result, Unstructured};

/// Most instructions, about, of a function's body.
const BUDGET: u32 = 60;

/// A value type. Numbers are those of the module's types.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ty {
    I32,
    I64,
    F64,
    Func,
    Nullable(usize),
    NonNull(usize),
}

impl Ty {
    fn text(self) -> String {
        match self {
            Ty::I32 => "i32".into(),
            Ty::I64 => "i64".into(),
            Ty::F64 => "f64".into(),
            Ty::Func => "funcref".into(),
            Ty::Nullable(ty) => format!("(ref null $t{ty})"),
            Ty::NonNull(ty) => format!("(ref $t{ty})"),
        }
    }
}

struct Signature {
    params: Vec<Ty>,
    results: Vec<Ty>,
}

/// Functions of the module by their type: each has two of them.
const OF_EACH_TYPE: usize = 2;

/// A module in the text format.
pub(crate) fn module(u: &mut Unstructured<'_>) -> Result<String> {
    let types = signatures(u)?;
    let mut text = String::from("(module (import \"host\" \"mix\" (func $mix (param i32) (result i32)))\n");
    for (number, ty) in types.iter().enumerate() {
        text += &format!("(type $t{number} (func {}))\n", signature(ty));
    }
    text += &format!("(global $fuel (export \"{FUEL}\") (mut i32) (i32.const {FUEL_OF_A_CALL}))\n");
    for number in 0..types.len() {
        let (first, second) = (number * OF_EACH_TYPE, number * OF_EACH_TYPE + 1);
        text += &format!(
            "(table $typed{number} (export \"typed {number}\") 4 9 (ref null $t{number}))
             (table $full{number} (export \"full {number}\") 3 6 (ref $t{number}) (ref.func $f{first}))
             (global $g{number} (export \"global {number}\") (mut (ref null $t{number})) (ref.func $f{second}))
             (elem (table $typed{number}) (i32.const 1) (ref null $t{number}) (ref.func $f{first}) (ref.null $t{number}))
             (elem $late{number} (ref $t{number}) (ref.func $f{second}) (ref.func $f{first}))\n"
        );
    }
    let count = types.len() * OF_EACH_TYPE;
    text += &format!("(table $any (export \"any\") {} 40 funcref)\n(elem (table $any) (i32.const 2) func", count + 4);
    (0..count).for_each(|number| text += &format!(" $f{number}"));
    text += ")\n";
    for number in 0..count {
        let body = Body { u: &mut *u, types: &types, locals: &types[number / OF_EACH_TYPE].params, budget: BUDGET };
        text += &body.function(number)?;
    }
    text += ")";
    Ok(text)
}

fn signatures(u: &mut Unstructured<'_>) -> Result<Vec<Signature>> {
    let count = u.int_in_range(1..=4)?;
    let mut types = Vec::new();
    for number in 0..count {
        // A type can mention itself.
        let mut list =
            |most| -> Result<Vec<Ty>> { (0..u.int_in_range(0..=most)?).map(|_| value_type(u, number)).collect() };
        types.push(Signature { params: list(4)?, results: list(3)? });
    }
    Ok(types)
}

fn value_type(u: &mut Unstructured<'_>, most: usize) -> Result<Ty> {
    let number = u.int_in_range(0..=most)?;
    Ok(match u.int_in_range(0..=7)? {
        0 | 1 => Ty::I32,
        2 => Ty::I64,
        3 => Ty::F64,
        4 => Ty::Func,
        // A parameter that cannot be null keeps hosts from calling the function, so it is rare.
        5 => Ty::NonNull(number),
        _ => Ty::Nullable(number),
    })
}

fn list(word: &str, types: &[Ty]) -> String {
    if types.is_empty() {
        return String::new();
    }
    let types: Vec<_> = types.iter().map(|ty| ty.text()).collect();
    format!("({word} {})", types.join(" "))
}

fn signature(ty: &Signature) -> String {
    format!("{} {}", list("param", &ty.params), list("result", &ty.results))
}

/// Where a function's body is made.
struct Body<'u, 'a, 'd> {
    u: &'u mut Unstructured<'d>,
    types: &'a [Signature],
    locals: &'a [Ty],
    budget: u32,
}

impl Body<'_, '_, '_> {
    fn function(mut self, number: usize) -> Result<String> {
        let ty = number / OF_EACH_TYPE;
        let mut text = format!("(func $f{number} (export \"f{number}\") (type $t{ty})\n");
        text += "(if (i32.eqz (global.get $fuel)) (then unreachable))
                 (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))\n";
        for _ in 0..self.u.int_in_range(0..=4)? {
            text += &self.statement()?;
        }
        if self.u.ratio(1, 4)? {
            text += &self.tail_call(ty)?;
        } else {
            text += &self.all(&self.types[ty].results)?;
        }
        Ok(text + ")\n")
    }

    fn spend(&mut self) -> bool {
        self.budget = self.budget.saturating_sub(1);
        self.budget == 0
    }

    /// Expressions of these types, one after the other.
    fn all(&mut self, types: &[Ty]) -> Result<String> {
        types.iter().map(|ty| self.expression(*ty)).collect()
    }

    fn type_number(&mut self) -> Result<usize> {
        self.u.choose_index(self.types.len())
    }

    /// A call of any function, with its results dropped, or a write to a table or a global.
    fn statement(&mut self) -> Result<String> {
        let ty = self.type_number()?;
        Ok(match self.u.int_in_range(0..=6)? {
            0 => format!("(global.set $g{ty} {})\n", self.expression(Ty::Nullable(ty))?),
            1 => format!("(table.set $typed{ty} {} {})\n", self.index()?, self.expression(Ty::Nullable(ty))?),
            2 => format!("(table.set $full{ty} {} {})\n", self.index()?, self.expression(Ty::NonNull(ty))?),
            3 => format!(
                "(table.fill $typed{ty} {} {} (i32.const 2))\n",
                self.index()?,
                self.expression(Ty::Nullable(ty))?
            ),
            4 => format!("(table.init $full{ty} $late{ty} {} (i32.const 0) (i32.const 2))\n", self.index()?),
            5 => format!("(drop (table.grow $typed{ty} {} (i32.const 1)))\n", self.expression(Ty::Nullable(ty))?),
            _ => {
                let call = self.call(ty)?;
                format!("{call} {}\n", "drop ".repeat(self.types[ty].results.len()))
            }
        })
    }

    /// A call of a function of this type, in any of the ways there are.
    fn call(&mut self, ty: usize) -> Result<String> {
        let args = self.all(&self.types[ty].params)?;
        let which = ty * OF_EACH_TYPE + self.u.choose_index(OF_EACH_TYPE)?;
        Ok(match self.u.int_in_range(0..=3)? {
            0 => format!("(call $f{which} {args})"),
            1 => format!("(call_indirect $any (type $t{ty}) {args} {})", self.index()?),
            2 => format!("(call_indirect $typed{ty} (type $t{ty}) {args} {})", self.index()?),
            _ => format!("(call_ref $t{ty} {args} {})", self.expression(Ty::Nullable(ty))?),
        })
    }

    /// A tail call of a function with the same results.
    fn tail_call(&mut self, ty: usize) -> Result<String> {
        let same = |other: &usize| self.types[*other].results == self.types[ty].results;
        let others: Vec<usize> = (0..self.types.len()).filter(same).collect();
        let other = *self.u.choose(&others)?;
        let args = self.all(&self.types[other].params)?;
        Ok(match self.u.int_in_range(0..=2)? {
            0 => format!("(return_call $f{} {args})", other * OF_EACH_TYPE),
            1 => format!("(return_call_indirect $any (type $t{other}) {args} {})", self.index()?),
            _ => format!("(return_call_ref $t{other} {args} {})", self.expression(Ty::Nullable(other))?),
        })
    }

    /// An index into a table: mostly inside.
    fn index(&mut self) -> Result<String> {
        Ok(format!("(i32.const {})", self.u.int_in_range(0..=9)?))
    }

    fn expression(&mut self, ty: Ty) -> Result<String> {
        let locals: Vec<usize> = (0..self.locals.len()).filter(|local| self.locals[*local] == ty).collect();
        if self.spend() || self.u.ratio(1, 5)? {
            return self.constant(ty);
        }
        if !locals.is_empty() && self.u.ratio(1, 3)? {
            return Ok(format!("(local.get {})", self.u.choose(&locals)?));
        }
        if self.u.ratio(1, 5)? {
            let callees: Vec<_> = (0..self.types.len()).filter(|callee| self.types[*callee].results == [ty]).collect();
            if !callees.is_empty() {
                let callee = *self.u.choose(&callees)?;
                return self.call(callee);
            }
        }
        match ty {
            Ty::I32 => self.i32(),
            Ty::I64 => Ok(format!("(i64.extend_i32_s {})", self.expression(Ty::I32)?)),
            Ty::F64 => Ok(format!("(f64.convert_i64_s {})", self.expression(Ty::I64)?)),
            Ty::Func => {
                let number = self.type_number()?;
                if self.u.arbitrary()? {
                    self.expression(Ty::Nullable(number))
                } else {
                    Ok(format!("(table.get $any {})", self.index()?))
                }
            }
            Ty::Nullable(number) => self.nullable(number),
            Ty::NonNull(number) => self.non_null(number),
        }
    }

    fn constant(&mut self, ty: Ty) -> Result<String> {
        let number = self.u.int_in_range(-3..=9i32)?;
        Ok(match ty {
            Ty::I32 => format!("(i32.const {number})"),
            Ty::I64 => format!("(i64.const {number})"),
            Ty::F64 => format!("(f64.const {number})"),
            Ty::Func => "(ref.null func)".into(),
            Ty::Nullable(ty) if number < 0 => format!("(ref.null $t{ty})"),
            Ty::Nullable(ty) => format!("(global.get $g{ty})"),
            Ty::NonNull(ty) => format!("(ref.func $f{})", ty * OF_EACH_TYPE + number.rem_euclid(2) as usize),
        })
    }

    fn i32(&mut self) -> Result<String> {
        let ty = self.type_number()?;
        Ok(match self.u.int_in_range(0..=5)? {
            0 => format!("(i32.add {} {})", self.expression(Ty::I32)?, self.expression(Ty::I32)?),
            1 => format!("(ref.is_null {})", self.expression(Ty::Nullable(ty))?),
            2 => format!("(ref.is_null {})", self.expression(Ty::Func)?),
            3 => format!("(call $mix {})", self.expression(Ty::I32)?),
            4 => format!("(table.size $typed{ty})"),
            _ => format!("(i32.xor {} {})", self.expression(Ty::I32)?, self.expression(Ty::I32)?),
        })
    }

    fn nullable(&mut self, ty: usize) -> Result<String> {
        Ok(match self.u.int_in_range(0..=4)? {
            0 => format!("(table.get $typed{ty} {})", self.index()?),
            1 => format!("(global.get $g{ty})"),
            2 => {
                let (yes, no) = (self.expression(Ty::Nullable(ty))?, self.expression(Ty::NonNull(ty))?);
                format!("(select (result (ref null $t{ty})) {yes} {no} {})", self.expression(Ty::I32)?)
            }
            3 => format!(
                "(if (result (ref null $t{ty})) {} (then {}) (else {}))",
                self.expression(Ty::I32)?,
                self.expression(Ty::Nullable(ty))?,
                self.expression(Ty::NonNull(ty))?,
            ),
            _ => self.expression(Ty::NonNull(ty))?,
        })
    }

    fn non_null(&mut self, ty: usize) -> Result<String> {
        let nullable = self.expression(Ty::Nullable(ty))?;
        Ok(match self.u.int_in_range(0..=3)? {
            0 => format!("(ref.as_non_null {nullable})"),
            1 => format!("(table.get $full{ty} {})", self.index()?),
            // With the reference if it is one, behind the branch if it is not.
            2 => format!(
                "(block (result (ref $t{ty})) (br_on_non_null 0 {nullable}) {})",
                self.constant(Ty::NonNull(ty))?
            ),
            _ => format!(
                "(block $done (result (ref $t{ty}))
                    (block $null (br $done (br_on_null $null {nullable})))
                    {})",
                self.constant(Ty::NonNull(ty))?
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Validator, WasmFeatures};

    #[test]
    fn all_are_valid_and_some_are_large() {
        let (mut state, mut largest) = (3u64, 0);
        let mut byte = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 56) as u8
        };
        for length in 0..300 {
            let data: Vec<u8> = (0..length * 4).map(|_| byte()).collect();
            let text = module(&mut Unstructured::new(&data)).expect("never short of bytes");
            let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let valid = Validator::new_with_features(WasmFeatures::all()).validate_all(&wasm);
            valid.unwrap_or_else(|error| panic!("{error}\n{text}"));
            largest = largest.max(wasm.len());
        }
        assert!(largest > 1000, "{largest}");
    }
}
