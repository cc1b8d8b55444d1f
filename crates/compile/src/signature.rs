//! Machine-level signatures of everything that is called, as `hatchery_image::abi` describes them.

use cranelift_codegen::ir::{AbiParam, Signature, Type, types};
use cranelift_codegen::isa::CallConv;
use hatchery_image::abi::{Builtin, ReturnPlace, Scalar, return_area_bytes, return_places};
use hatchery_image::{FuncType, ValType};

/// Addresses, references and `vmctx`.
pub(crate) const WORD: Type = types::I64;

/// The type in which a value travels and is kept. Every vector is `i8x16` until an instruction needs
/// another shape.
pub(crate) fn clif_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => types::I32,
        ValType::I64 => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        ValType::V128 => types::I8X16,
        ValType::Ref(_) => WORD,
    }
}

fn signature(convention: CallConv, params: impl IntoIterator<Item = Type>, result: Option<Type>) -> Signature {
    let mut signature = Signature::new(convention);
    signature.params.extend(params.into_iter().map(AbiParam::new));
    signature.returns.extend(result.map(AbiParam::new));
    signature
}

/// A guest function: `vmctx`, the parameters, the address of the return area if it has one; the results
/// that have registers.
pub(crate) fn guest(ty: &FuncType) -> Signature {
    let params = ty.params.iter().map(|ty| clif_type(*ty));
    let area = (return_area_bytes(&ty.results) > 0).then_some(WORD);
    let mut signature = signature(CallConv::Tail, [WORD].into_iter().chain(params).chain(area), None);
    let results = ty.results.iter().zip(return_places(&ty.results));
    let in_registers = results.filter(|(_, place)| *place == ReturnPlace::Register);
    signature.returns.extend(in_registers.map(|(ty, _)| AbiParam::new(clif_type(*ty))));
    signature
}

/// A host function: `vmctx`, its `HostCall`, the parameters as scalars.
pub(crate) fn host_native(ty: &FuncType) -> Signature {
    let params = ty.params.iter().map(|ty| clif_type(*ty));
    let result = ty.results.first().map(|ty| clif_type(*ty));
    signature(CallConv::SystemV, [WORD, WORD].into_iter().chain(params), result)
}

/// A host function: `vmctx`, its `HostCall`, an array of `RawVal`.
pub(crate) fn host_array() -> Signature {
    signature(CallConv::SystemV, [WORD, WORD, WORD], None)
}

/// An entry trampoline: `vmctx`, the callee's address, an array of `RawVal`.
pub(crate) fn entry() -> Signature {
    signature(CallConv::SystemV, [WORD, WORD, WORD], None)
}

/// A built-in as the virtual machine implements it.
pub(crate) fn builtin_implementation(builtin: Builtin) -> Signature {
    builtin_as(CallConv::SystemV, builtin)
}

/// A built-in's thunk, which is what guest code calls. Those that loops call from cold blocks preserve
/// every register, so that nothing is spilled around the call.
pub(crate) fn builtin(builtin: Builtin) -> Signature {
    let convention = match builtin {
        Builtin::OutOfFuel => CallConv::PreserveAll,
        _ => CallConv::Tail,
    };
    builtin_as(convention, builtin)
}

fn builtin_as(convention: CallConv, builtin: Builtin) -> Signature {
    let params = builtin.params().iter().map(|scalar| scalar_type(*scalar));
    signature(convention, [WORD].into_iter().chain(params), builtin.result().map(scalar_type))
}

fn scalar_type(scalar: Scalar) -> Type {
    match scalar {
        Scalar::I32 => types::I32,
        Scalar::I64 => types::I64,
        Scalar::F32 => types::F32,
        Scalar::F64 => types::F64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_beyond_the_registers_make_a_return_area() {
        let ty = FuncType::new([ValType::I32], vec![ValType::I64; 10]);
        let signature = guest(&ty);
        assert_eq!(signature.params.len(), 3);
        assert_eq!(signature.returns.len(), 8);
        let ty = FuncType::new([ValType::I32], [vec![ValType::I64; 8], vec![ValType::F32; 8]].concat());
        let signature = guest(&ty);
        assert_eq!(signature.params.len(), 2);
        assert_eq!(signature.returns.len(), 16);
    }
}
