//! One function body to the code generator's form.

use crate::error::CompileError;
use crate::link::Linked;
use cranelift_codegen::Context;
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilderContext;
use hatchery_image::{FunctionId, Tunables};
use wasmparser::{FuncValidator, FunctionBody, ValidatorResources};

/// Translates the body of `id` into `into.func`.
#[expect(clippy::too_many_arguments, reason = "the seam between linking and translation")]
pub(crate) fn translate(
    _linked: &Linked,
    _tunables: &Tunables,
    _isa: &dyn TargetIsa,
    id: FunctionId,
    _reader: FunctionBody<'_>,
    _validator: FuncValidator<ValidatorResources>,
    _into: &mut Context,
    _scratch: &mut FunctionBuilderContext,
) -> Result<(), CompileError> {
    Err(CompileError::Internal(format!("function {} has no translation yet", id.0)))
}
