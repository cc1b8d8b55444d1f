//! Names of code in code, until assembly knows where everything is.
//!
//! A *colocated* reference is relative: a call, or `lea` of the code's address. A reference that is
//! not colocated is an 8-byte constant (`Abs8`): assembly fills in not an address, which would bind the
//! code to one place, but the **packed funcref** of the function. So `ref.func` is `func_addr` of a
//! function that was imported with `colocated: false`, one instruction, a constant.

use crate::link::Symbol;
use cranelift_codegen::ir::{ExtFuncData, ExternalName, FuncRef, Function, Signature, UserExternalName};
use hatchery_image::abi::Builtin;
use hatchery_image::{FunctionId, HostImportId, TrapCode, TypeId};

const FUNCTION: u32 = 0;
const HOST_THUNK: u32 = 1;
const BUILTIN: u32 = 2;
const ENTRY: u32 = 3;
const SPILL: u32 = 4;
const TRAP: u32 = 5;

impl Symbol {
    /// The name that stands for the symbol in generated code.
    pub(crate) fn name(self) -> UserExternalName {
        match self {
            Symbol::Function(id) => UserExternalName::new(FUNCTION, id.0),
            Symbol::HostThunk(id) => UserExternalName::new(HOST_THUNK, id.0),
            Symbol::Builtin(builtin) => UserExternalName::new(BUILTIN, builtin as u32),
            Symbol::Trap(code) => UserExternalName::new(TRAP, code as u32),
            Symbol::Entry(ty) => UserExternalName::new(ENTRY, ty.index() as u32),
            Symbol::Spill(ty) => UserExternalName::new(SPILL, ty.index() as u32),
        }
    }

    /// The symbol that a name stands for.
    pub(crate) fn from_name(name: &UserExternalName) -> Option<Symbol> {
        Some(match name.namespace {
            FUNCTION => Symbol::Function(FunctionId(name.index)),
            HOST_THUNK => Symbol::HostThunk(HostImportId(name.index)),
            BUILTIN => Symbol::Builtin(*Builtin::ALL.get(name.index as usize)?),
            ENTRY => Symbol::Entry(type_id(name.index)?),
            SPILL => Symbol::Spill(type_id(name.index)?),
            TRAP => Symbol::Trap(TrapCode::from_number(u8::try_from(name.index).ok()?)?),
            _ => return None,
        })
    }
}

fn type_id(index: u32) -> Option<TypeId> {
    (index != u32::MAX).then(|| TypeId::from_index(index))
}

/// How the code at a symbol is referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Relative: for calls and code addresses.
    Code,
    /// As a constant: `func_addr` yields the packed funcref word. For functions and host thunks only.
    FuncRef,
}

/// Declares `symbol` in `func`.
pub(crate) fn import(func: &mut Function, symbol: Symbol, signature: Signature, reference: Reference) -> FuncRef {
    let name = func.declare_imported_user_function(symbol.name());
    let signature = func.import_signature(signature);
    func.import_function(ExtFuncData {
        name: ExternalName::user(name),
        signature,
        colocated: reference == Reference::Code,
        patchable: false,
    })
}

/// The symbol that a function reference of `func` stands for, if its code is meant.
pub(crate) fn name_of(func: &Function, reference: FuncRef) -> Option<Symbol> {
    let data = func.dfg.ext_funcs.get(reference)?;
    match data.name {
        ExternalName::User(name) if data.colocated => Symbol::from_name(func.params.user_named_funcs().get(name)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_its_symbol() {
        let ty = TypeId::from_index(7);
        let mut symbols = vec![
            Symbol::Function(FunctionId(3)),
            Symbol::HostThunk(HostImportId(4)),
            Symbol::Entry(ty),
            Symbol::Spill(ty),
        ];
        symbols.extend(Builtin::ALL.map(Symbol::Builtin));
        symbols.extend(TrapCode::ALL.iter().copied().map(Symbol::Trap));
        for symbol in symbols {
            assert_eq!(Symbol::from_name(&symbol.name()), Some(symbol));
        }
    }

    #[test]
    fn other_names_stand_for_nothing() {
        assert_eq!(Symbol::from_name(&UserExternalName::new(BUILTIN, Builtin::ALL.len() as u32)), None);
        assert_eq!(Symbol::from_name(&UserExternalName::new(SPILL, u32::MAX)), None);
        assert_eq!(Symbol::from_name(&UserExternalName::new(TRAP + 1, 0)), None);
    }
}
