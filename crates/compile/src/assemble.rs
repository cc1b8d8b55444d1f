//! One blob of code: places, references between them, and the maps that give an address a meaning.
//!
//! ```text
//!  guest functions by id │ host and trap thunks │ built-in thunks │ entry trampolines │ spill shims
//! ```
//!
//! Everything starts at a multiple of 64: a loop's place in its cache lines does not depend on what
//! stands before it.

use crate::codegen::{Code, CodeReloc, RelocKind, RelocTarget};
use crate::error::{BudgetError, CompileError};
use crate::link::{FuncTarget, Symbol};
use hatchery_image::abi::PackedFuncRef;
use hatchery_image::{CatchSite, Handler, HandlerKind, TrapCode, TypeId};
use std::collections::HashMap;

/// Alignment of all code.
const ALIGN: usize = 64;

/// Most bytes of code: relative calls reach across it.
const MAX_TEXT: usize = 1 << 30;

/// What `ud2` is replaced by, where it is a trap: under a hypervisor an invalid opcode costs an exit, a
/// privileged instruction only a fault.
const HALT: [u8; 2] = [0xf4, 0x90];
const UD2: [u8; 2] = [0x0f, 0x0b];

/// Code with a place for everything.
#[derive(Debug)]
pub(crate) struct Assembly {
    pub(crate) text: Vec<u8>,
    /// By ascending offset.
    pub(crate) traps: Vec<(u32, TrapCode)>,
    /// From each offset on, the wasm offset; ascending.
    pub(crate) addresses: Vec<(u32, u32)>,
    /// By ascending offset.
    pub(crate) catches: Vec<CatchSite>,
    places: HashMap<Symbol, Place>,
}

/// Where a symbol's code is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

impl Assembly {
    /// Places `codes`, which belong to `symbols`, in this order. `type_of` knows the type of functions and
    /// host thunks.
    pub(crate) fn new(
        symbols: &[Symbol],
        codes: &[Code],
        type_of: &dyn Fn(Symbol) -> Option<TypeId>,
    ) -> Result<Assembly, CompileError> {
        let (places, length) = place(symbols, codes)?;
        // Padding is no instruction that anything runs into unnoticed.
        let mut text = vec![HALT[0]; length];
        let (mut traps, mut addresses, mut catches) = (Vec::new(), Vec::new(), Vec::new());
        let resolver = Resolver { places: &places, type_of };
        for (symbol, code) in symbols.iter().zip(codes) {
            let start = resolver.place(*symbol)?.start;
            let slot = text.get_mut(start as usize..start as usize + code.bytes.len()).ok_or_else(outside)?;
            slot.copy_from_slice(&code.bytes);
            for (at, _) in &code.traps {
                patch_trap(slot, *at);
            }
            for reloc in &code.relocs {
                let bytes = resolver.bytes(start, reloc)?;
                let at = reloc.at as usize;
                slot.get_mut(at..at + bytes.len()).ok_or_else(outside)?.copy_from_slice(&bytes);
            }
            traps.extend(code.traps.iter().map(|(at, trap)| (start + at, *trap)));
            addresses.extend(code.sources.iter().map(|(at, wasm)| (start + at, *wasm)));
            catches.extend(code.catches.iter().map(|site| moved(site, start)));
        }
        Ok(Assembly { text, traps, addresses, catches, places })
    }

    /// Where a symbol's code is, if it has some.
    pub(crate) fn find(&self, symbol: Symbol) -> Option<Place> {
        self.places.get(&symbol).copied()
    }

    /// Where the code of something that has some starts.
    pub(crate) fn start(&self, symbol: Symbol) -> Result<u32, CompileError> {
        self.find(symbol).map(|place| place.start).ok_or_else(|| unplaced(symbol))
    }

    /// The word of a reference to a function.
    pub(crate) fn funcref(&self, target: FuncTarget, ty: TypeId) -> Result<u64, CompileError> {
        Ok(PackedFuncRef::new(ty, self.start(target.symbol())?).0)
    }
}

fn place(symbols: &[Symbol], codes: &[Code]) -> Result<(HashMap<Symbol, Place>, usize), CompileError> {
    let mut places = HashMap::with_capacity(symbols.len());
    let mut end = 0usize;
    for (symbol, code) in symbols.iter().zip(codes) {
        let start = end.next_multiple_of(ALIGN.max(code.align as usize));
        end = start + code.bytes.len();
        if end > MAX_TEXT {
            let needed = codes.iter().map(|code| code.bytes.len() as u64).sum();
            return Err(BudgetError { what: "bytes of machine code", needed, allowed: MAX_TEXT as u64 }.into());
        }
        places.insert(*symbol, Place { start: start as u32, length: code.bytes.len() as u32 });
    }
    Ok((places, end))
}

/// A call of code that starts at `start`.
fn moved(site: &CatchSite, start: u32) -> CatchSite {
    let landing = |handler: &Handler| match handler.kind {
        HandlerKind::Barrier => 0,
        HandlerKind::Values | HandlerKind::Reference => start + handler.landing,
    };
    let handlers = site.handlers.iter().map(|handler| Handler { landing: landing(handler), ..*handler });
    CatchSite { offset: start + site.offset, frame: site.frame, handlers: handlers.collect() }
}

fn patch_trap(code: &mut [u8], at: u32) {
    let at = at as usize;
    if let Some(instruction) = code.get_mut(at..at + UD2.len())
        && instruction == UD2
    {
        instruction.copy_from_slice(&HALT);
    }
}

/// Turns references into bytes.
struct Resolver<'a> {
    places: &'a HashMap<Symbol, Place>,
    type_of: &'a dyn Fn(Symbol) -> Option<TypeId>,
}

impl Resolver<'_> {
    fn place(&self, symbol: Symbol) -> Result<Place, CompileError> {
        self.places.get(&symbol).copied().ok_or_else(|| unplaced(symbol))
    }

    /// What stands at `reloc` in code that starts at `start`.
    fn bytes(&self, start: u32, reloc: &CodeReloc) -> Result<Vec<u8>, CompileError> {
        match (reloc.kind, reloc.target) {
            (RelocKind::Relative, target) => {
                let target = match target {
                    RelocTarget::Symbol(symbol) => self.place(symbol)?.start,
                    RelocTarget::Own(offset) => start + offset,
                };
                let distance = i64::from(target) + reloc.addend - i64::from(start + reloc.at);
                let distance = i32::try_from(distance).map_err(|_| outside())?;
                Ok(distance.to_le_bytes().to_vec())
            }
            (RelocKind::FuncRef, RelocTarget::Symbol(symbol)) if reloc.addend == 0 => {
                let ty = (self.type_of)(symbol).ok_or_else(|| unplaced(symbol))?;
                Ok(PackedFuncRef::new(ty, self.place(symbol)?.start).0.to_le_bytes().to_vec())
            }
            (RelocKind::FuncRef, _) => Err(CompileError::Internal(format!("absolute reference {reloc:?}"))),
        }
    }
}

fn unplaced(symbol: Symbol) -> CompileError {
    CompileError::Internal(format!("{symbol:?} has no code"))
}

fn outside() -> CompileError {
    CompileError::Internal("a relocation outside of its function's code".into())
}

impl FuncTarget {
    /// The code that the target stands for.
    pub(crate) fn symbol(self) -> Symbol {
        match self {
            FuncTarget::Defined(id) => Symbol::Function(id),
            FuncTarget::Host(id) => Symbol::HostThunk(id),
            FuncTarget::Trap(code) => Symbol::Trap(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery_image::FunctionId;

    const A: Symbol = Symbol::Function(FunctionId(0));
    const B: Symbol = Symbol::Function(FunctionId(1));

    fn code(bytes: &[u8], relocs: Vec<CodeReloc>, traps: Vec<(u32, TrapCode)>) -> Code {
        Code { bytes: bytes.to_vec(), align: 1, relocs, traps, sources: vec![(0, 100)], catches: vec![] }
    }

    fn assemble(codes: &[Code]) -> Result<Assembly, CompileError> {
        Assembly::new(&[A, B][..codes.len()], codes, &|_| Some(TypeId::from_index(4)))
    }

    #[test]
    fn calls_are_relative_and_funcrefs_constant() {
        let call = CodeReloc { at: 1, kind: RelocKind::Relative, target: RelocTarget::Symbol(B), addend: -4 };
        let funcref = CodeReloc { at: 8, kind: RelocKind::FuncRef, target: RelocTarget::Symbol(B), addend: 0 };
        let assembly = assemble(&[code(&[0; 16], vec![call, funcref], vec![]), code(&[1; 3], vec![], vec![])]);
        let assembly = assembly.expect("assembly");
        assert_eq!(assembly.start(B).expect("placed"), 64);
        assert_eq!(assembly.text.len(), 67);
        assert_eq!(assembly.text[1..5], (64i32 - 5).to_le_bytes());
        assert_eq!(assembly.text[8..16], (5u64 | 64 << 32).to_le_bytes());
        assert_eq!(assembly.addresses, [(0, 100), (64, 100)]);
    }

    #[test]
    fn only_traps_become_halts() {
        let bytes = [0x0f, 0x0b, 0x0f, 0x0b, 0x8b, 0x0b];
        let traps = vec![(2, TrapCode::Unreachable), (4, TrapCode::MemoryOutOfBounds)];
        let assembly = assemble(&[code(&bytes, vec![], traps.clone())]).expect("assembly");
        assert_eq!(assembly.text, [0x0f, 0x0b, 0xf4, 0x90, 0x8b, 0x0b]);
        assert_eq!(assembly.traps, traps);
    }

    #[test]
    fn what_cannot_be_resolved_is_our_mistake() {
        let call = CodeReloc { at: 0, kind: RelocKind::Relative, target: RelocTarget::Symbol(B), addend: -4 };
        assert!(matches!(assemble(&[code(&[0; 4], vec![call], vec![])]), Err(CompileError::Internal(_))));
        let own = CodeReloc { at: 1, kind: RelocKind::Relative, target: RelocTarget::Own(0), addend: -4 };
        assert!(matches!(assemble(&[code(&[0; 4], vec![own], vec![])]), Err(CompileError::Internal(_))));
    }
}
